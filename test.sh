#!/bin/sh
# Installs what is missing, builds, and runs all tests: on the CPU (and on a GPU where there is one), then those that
# compute once more with the CUDA backend on an emulated device. Arguments go to ctest: ./test.sh -R tensor
. "$(dirname "$0")/scripts/prepare.sh"

install_packages $BUILD_PACKAGES $TEST_PACKAGES
build ON all -DBEVGRAD_CUDA=AUTO
say "checking the format of the sources"
git ls-files '*.h' '*.cpp' | xargs clang-format --dry-run -Werror
say "running the tests"
ctest --test-dir "$BUILD_DIR" --output-on-failure "$@"

BUILD_DIR="$PWD/build/emulated"
build ON all -DBEVGRAD_CUDA=EMULATED
say "running the tests on an emulated CUDA device"
ctest --test-dir "$BUILD_DIR" --output-on-failure -E '^(formats|geometry|data|configs)$' "$@"
say "all tests are done"
