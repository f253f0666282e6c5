#!/bin/sh
# Tests under sanitizers; any finding fails.
#
#   scripts/sanitize.sh                    address and undefined behaviour: the rooms that read bytes from outside, the
#                                          kernels and the configs
#   scripts/sanitize.sh ROOM...            the same of other rooms
#   scripts/sanitize.sh threads            the thread sanitizer: loader, store, collectives, launcher, gradient exchange
. "$(dirname "$0")/prepare.sh"

install_packages $BUILD_PACKAGES $TEST_PACKAGES
rooms="${*:-base tensor geometry formats configs data}"
preset=asan
tests=$(for room in $rooms; do echo "test_$room"; done)
# OpenMP's own library is not built for the thread sanitizer, which would take its barriers for none.
[ "$rooms" = threads ] && preset=tsan && export OMP_NUM_THREADS=1
BUILD_DIR="$PWD/build/$preset"
say "building $rooms into $BUILD_DIR"
cmake --preset "$preset" -DBEVGRAD_CUDA=OFF -DCMAKE_UNITY_BUILD=ON >/dev/null
cmake --build "$BUILD_DIR" --target $tests -- --quiet
for test in $tests; do
  say "$test"
  "$BUILD_DIR/tests/$test" --gtest_brief=1
done
say "no finding"
