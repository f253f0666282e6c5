#!/bin/sh
# The suites that read bytes from outside, with the address and undefined-behaviour sanitizers: any finding fails.
# scripts/sanitize.sh [ROOM...]
rooms="${*:-base geometry formats data}"
. "$(dirname "$0")/prepare.sh"

install_packages $BUILD_PACKAGES $TEST_PACKAGES
BUILD_DIR="$PWD/build/asan"
say "building $rooms into $BUILD_DIR"
cmake --preset asan -DBEVGRAD_CUDA=OFF >/dev/null
cmake --build "$BUILD_DIR" --target $(for room in $rooms; do echo "test_$room"; done) -- --quiet
ctest --test-dir "$BUILD_DIR" --output-on-failure -R "^($(echo $rooms | tr ' ' '|'))\$"
say "no finding"
