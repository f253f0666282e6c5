#!/bin/sh
# Installs what is missing, builds, and runs all tests. Arguments go to ctest: ./test.sh -R tensor
. "$(dirname "$0")/scripts/prepare.sh"

install_packages $BUILD_PACKAGES $TEST_PACKAGES
build ON all
say "checking the format of the sources"
git ls-files '*.h' '*.cpp' | xargs clang-format --dry-run -Werror
say "running the tests"
ctest --test-dir "$BUILD_DIR" --output-on-failure "$@"
say "all tests are done"
