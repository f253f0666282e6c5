#!/bin/sh
# clang-tidy over the sources that differ from a commit: scripts/tidy.sh [COMMIT]. Without a commit: from the newest tag,
# or the last commit. The largest changes first, for TIME_LIMIT seconds (300); what is left then is named.
. "$(dirname "$0")/prepare.sh"

install_packages $BUILD_PACKAGES $TEST_PACKAGES clang-tidy
since="${1:-$(git describe --tags --abbrev=0 2>/dev/null || git rev-parse HEAD~1 2>/dev/null || echo HEAD)}"
limit="${TIME_LIMIT:-300}"
# Each source's own command, for which nothing but the generated headers is built.
BUILD_DIR="$PWD/build/tidy"
cmake -S . -B "$BUILD_DIR" -G Ninja -DCMAKE_BUILD_TYPE=Release -DBEVGRAD_TESTS=ON -DBEVGRAD_CUDA=OFF >/dev/null
ninja -C "$BUILD_DIR" --quiet $(ninja -C "$BUILD_DIR" -t targets all | sed -n 's/^\([^/].*\.pb\.h\): .*/\1/p')
todo=$(mktemp) done=$(mktemp)
trap 'rm -f "$todo" "$done"' EXIT
git diff --numstat --diff-filter=AMR "$since" -- '*.cpp' | sort -rn | cut -f3 | while read -r file; do
  if grep -q "/$file\"" "$BUILD_DIR/compile_commands.json"; then echo "$file"; fi
done >"$todo"
count=$(wc -l <"$todo")
say "$count source(s) differ from $since"
[ "$count" -gt 0 ] || exit 0
# Options of GCC that clang does not know are no findings.
status=0
timeout "$limit" xargs -a "$todo" -P "$(nproc)" -n 1 sh -c \
  'clang-tidy --quiet -p "$0" --extra-arg=-Wno-unknown-warning-option "$2" && echo "$2" >>"$1"' \
  "$BUILD_DIR" "$done" 2>/dev/null || status=$?
if [ "$status" = 124 ]; then
  say "after $limit s not looked at: $(grep -vxFf "$done" "$todo" | tr '\n' ' ')"
elif [ "$status" != 0 ]; then
  exit 1
fi
say "$(wc -l <"$done") source(s) without a finding"
