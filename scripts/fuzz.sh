#!/bin/sh
# Builds the fuzz targets (clang, address and undefined-behaviour sanitizers) and runs each: scripts/fuzz.sh [SECONDS].
# 30 seconds where nothing is said, as many targets at a time as there are cores; with SEED=N in the environment the
# inputs of every run are the same. A finding ends the script with status 1; its input lies in build/fuzz/findings.
seconds="${1:-30}"
. "$(dirname "$0")/prepare.sh"

install_packages $BUILD_PACKAGES clang libclang-rt-14-dev unzip
BUILD_DIR="$PWD/build/fuzz"
say "building into $BUILD_DIR"
cmake --preset fuzz -DBEVGRAD_CUDA=OFF -DCMAKE_UNITY_BUILD=ON >/dev/null
cmake --build "$BUILD_DIR" --target fuzz_targets -- --quiet
seeds=$(mktemp -d)
trap 'rm -rf "$seeds"' EXIT
fuzz/seeds.sh "$seeds"
mkdir -p "$BUILD_DIR/findings"
say "$seconds seconds of each target"
cat >"$BUILD_DIR/run_target" <<RUN
#!/bin/sh
kind=\$1
if ! "$BUILD_DIR/fuzz/fuzz_\$kind" -seed=${SEED:-0} -max_total_time=$seconds -rss_limit_mb=3000 -timeout=60 -print_final_stats=1 \
  -artifact_prefix="$BUILD_DIR/findings/\$kind-" "$seeds/\$kind" >"$BUILD_DIR/\$kind.log" 2>&1; then
  tail -n 40 "$BUILD_DIR/\$kind.log" >&2
  echo "fuzz_\$kind found something: $BUILD_DIR/findings" >&2
  exit 255 # no further target is begun
fi
echo "\$kind: \$(sed -n 's/^stat::number_of_executed_units: *//p' "$BUILD_DIR/\$kind.log") inputs, no finding"
RUN
chmod +x "$BUILD_DIR/run_target"
for target in fuzz/fuzz_*.cpp; do
  basename "$target" .cpp | sed 's/^fuzz_//'
done | xargs -P "$(nproc)" -n 1 "$BUILD_DIR/run_target"
say "no finding"
