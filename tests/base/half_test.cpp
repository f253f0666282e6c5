#include "base/half.h"

#include <gtest/gtest.h>

#include <cmath>

namespace bevgrad {
namespace {

// IEEE 754-2008, binary16.
TEST(Half, IsTheValueOfItsBits) {
  EXPECT_EQ(half_to_double(0x3c00), 1);
  EXPECT_EQ(half_to_double(0xc000), -2);
  EXPECT_EQ(half_to_double(0x3555), 1365.0 / 4096);
  EXPECT_EQ(half_to_double(0x7bff), 65504);
  EXPECT_EQ(half_to_double(0x0400), std::ldexp(1, -14));     // the smallest normal one
  EXPECT_EQ(half_to_double(0x03ff), std::ldexp(1023, -24));  // the largest below
  EXPECT_EQ(half_to_double(0x0001), std::ldexp(1, -24));
  EXPECT_EQ(half_to_double(0x0000), 0);
  EXPECT_TRUE(std::signbit(half_to_double(0x8000)));
  EXPECT_EQ(half_to_double(0x7c00), INFINITY);
  EXPECT_EQ(half_to_double(0xfc00), -INFINITY);
  EXPECT_TRUE(std::isnan(half_to_double(0x7e00)));
}

}  // namespace
}  // namespace bevgrad
