#!/bin/sh
# Builds the fuzz targets (clang, address and undefined-behaviour sanitizers) and runs each: scripts/fuzz.sh [SECONDS].
# 30 seconds where nothing is said. A finding ends the script; its input lies in build/fuzz/findings.
seconds="${1:-30}"
. "$(dirname "$0")/prepare.sh"

install_packages $BUILD_PACKAGES clang libclang-rt-14-dev unzip
BUILD_DIR="$PWD/build/fuzz"
say "building into $BUILD_DIR"
cmake --preset fuzz -DBEVGRAD_CUDA=OFF >/dev/null
cmake --build "$BUILD_DIR" --target fuzz_targets -- --quiet
seeds=$(mktemp -d)
trap 'rm -rf "$seeds"' EXIT
fuzz/seeds.sh "$seeds"
mkdir -p "$BUILD_DIR/findings"
for target in "$BUILD_DIR"/fuzz/fuzz_*; do
  [ -x "$target" ] && [ -f "$target" ] || continue
  kind="${target##*/fuzz_}"
  log="$BUILD_DIR/$kind.log"
  if ! "$target" -max_total_time="$seconds" -rss_limit_mb=3000 -timeout=60 -print_final_stats=1 \
    -artifact_prefix="$BUILD_DIR/findings/$kind-" "$seeds/$kind" >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    echo "fuzz_$kind found something: $BUILD_DIR/findings" >&2
    exit 1
  fi
  say "$kind: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs, no finding"
done
