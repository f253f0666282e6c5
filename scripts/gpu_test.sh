#!/bin/sh
# On a machine with an NVIDIA GPU: builds with CUDA, runs every test on the GPU beside the CPU, looks for memory errors
# with compute-sanitizer, measures step 1, step 2 and inference at full size on both, and prints one table.
#
#   scripts/gpu_test.sh [OUT]      OUT: a folder for the logs and the JSON files (default: build/gpu)
#
# Where there is no GPU it says so and does nothing: "SKIPPED".
. "$(dirname "$0")/prepare.sh"

OUT="${1:-$PWD/build/gpu}"
if ! command -v nvidia-smi >/dev/null 2>&1 || ! nvidia-smi -L >/dev/null 2>&1; then
  echo "SKIPPED: no NVIDIA GPU on this machine (nvidia-smi finds none); nothing was built, run or measured."
  exit 0
fi
nvidia-smi -L
mkdir -p "$OUT"
BUILD_DIR="${BEVGRAD_BUILD_DIR:-$PWD/build/cuda}"

install_packages $BUILD_PACKAGES $TEST_PACKAGES
say "building with CUDA into $BUILD_DIR"
cmake -S . -B "$BUILD_DIR" -G Ninja -DCMAKE_BUILD_TYPE=Release -DBEVGRAD_CUDA=ON -DCMAKE_CUDA_ARCHITECTURES=native >/dev/null
cmake --build "$BUILD_DIR" -- --quiet
"$BUILD_DIR/bevgrad" info | tee "$OUT/info.txt"

failed=""
say "all tests, each on the CPU and on the GPU"
ctest --test-dir "$BUILD_DIR" --output-on-failure --timeout 3600 >"$OUT/tests.log" 2>&1 || failed="$failed tests"
tail -n 15 "$OUT/tests.log"

if command -v compute-sanitizer >/dev/null 2>&1; then
  for tool in memcheck initcheck racecheck; do
    say "compute-sanitizer --tool $tool on the tests of the kernels"
    compute-sanitizer --tool "$tool" --error-exitcode 9 "$BUILD_DIR/tests/test_tensor" \
      >"$OUT/$tool.log" 2>&1 || failed="$failed $tool"
    tail -n 3 "$OUT/$tool.log"
  done
fi

say "full-size benches"
bench() { # bench NAME ARGUMENTS...
  name=$1
  shift
  say "bench $*"
  "$BUILD_DIR/bevgrad" bench "$@" --json "$OUT/$name.json" >"$OUT/$name.txt" 2>&1 || failed="$failed bench:$name"
  cat "$OUT/$name.txt"
}
bench machine machine --device cuda
bench step1 step1 --batch 16 --device cuda
bench step2_cached step2 --batch 16 --device cuda --set train.use_head_amp=true
bench step2_cached_float32 step2 --batch 16 --device cuda
bench step2 step2 --no-cache --batch 16 --device cuda
bench inference inference --device cuda

say "logs and figures are in $OUT"
if [ -n "$failed" ]; then
  echo "FAILED:$failed"
  exit 1
fi
