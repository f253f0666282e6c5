#!/bin/sh
# Installs what is missing, builds, and runs all tests: on the CPU (and on a GPU where there is one), then those that
# compute once more with the CUDA backend on an emulated device. Arguments go to ctest: ./test.sh -R tensor
#
#   CUDA=ON ./test.sh     builds the CUDA backend with the toolkit although there is no GPU
. "$(dirname "$0")/scripts/prepare.sh"

install_packages $BUILD_PACKAGES $TEST_PACKAGES
# Without a GPU nobody waits for nvcc: the emulated device below runs the same sources.
[ -e /dev/nvidiactl ] && cuda=AUTO || cuda=OFF
build ON all -DBEVGRAD_CUDA="${CUDA:-$cuda}"
say "checking the format of the sources"
git ls-files '*.h' '*.cpp' | xargs clang-format --dry-run -Werror
say "running the tests"
ctest --test-dir "$BUILD_DIR" --output-on-failure "$@"

BUILD_DIR="$PWD/build/emulated"
build ON all -DBEVGRAD_CUDA=EMULATED
say "running the tests on an emulated CUDA device"
ctest --test-dir "$BUILD_DIR" --output-on-failure -E '^(base|formats|geometry|data|configs|evaluation|drawing|walls|doc_blocks)$' "$@"
say "all tests are done"
