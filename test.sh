#!/bin/sh
# Installs what is missing, builds, and runs all tests: on the CPU (and on a GPU where there is one), and those that
# compute once more with the CUDA backend on an emulated device. Arguments go to ctest: ./test.sh -R tensor
#
#   CUDA=ON ./test.sh     builds the CUDA backend with the toolkit although there is no GPU
. "$(dirname "$0")/scripts/prepare.sh"

install_packages $BUILD_PACKAGES $TEST_PACKAGES
# A build with CUDA's own libraries has no emulated device. Without a GPU nobody waits for nvcc: the emulated device runs
# the same sources.
[ -e /dev/nvidiactl ] && cuda=AUTO || cuda=EMULATED
cuda="${CUDA:-$cuda}"
build ON all -DBEVGRAD_CUDA="$cuda"
say "checking the format of the sources"
git ls-files '*.h' '*.cpp' | xargs clang-format --dry-run -Werror
say "running the tests"
ctest --test-dir "$BUILD_DIR" --output-on-failure "$@"

if [ "$cuda" != EMULATED ]; then
  BUILD_DIR="$PWD/build/emulated"
  build ON all -DBEVGRAD_CUDA=EMULATED
  say "running the tests on an emulated CUDA device"
  ctest --test-dir "$BUILD_DIR" --output-on-failure -R 'emulat' "$@"
fi
say "all tests are done"
