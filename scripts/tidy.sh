#!/bin/sh
# clang-tidy over the sources that differ from a commit: scripts/tidy.sh [COMMIT]. Without a commit: from the newest tag,
# or the last commit. Needs clang-tidy and a configured build (build/release, or BEVGRAD_BUILD_DIR).
set -eu
cd "$(dirname "$0")/.."
build="${BEVGRAD_BUILD_DIR:-build/release}"
since="${1:-$(git describe --tags --abbrev=0 2>/dev/null || echo HEAD~1)}"
[ -f "$build/compile_commands.json" ] || { echo "$build is not configured: cmake --preset release" >&2; exit 2; }
files=$(git diff --name-only --diff-filter=AMR "$since" -- '*.cpp' | while read -r file; do
  grep -q "/$file\"" "$build/compile_commands.json" && echo "$file"; done || true)
[ -n "$files" ] || { echo "no source differs from $since"; exit 0; }
echo "$files" | xargs -P "$(nproc)" -n 1 clang-tidy --quiet -p "$build"
