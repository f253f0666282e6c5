#include <gtest/gtest.h>

#include <cstdlib>

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  // Every death test in a process of its own: the device's and OpenMP's threads do not survive a fork.
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  // Enough for the ranks of a test, unless it wants another number.
  setenv("BEVGRAD_EMULATED_DEVICES", "4", 0);
  return RUN_ALL_TESTS();
}
