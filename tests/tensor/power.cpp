// The power that loops of vectors use, beside the standard library's.
#include "tensor/power.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace bevgrad {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(Power, SpecialValuesAreTheStandardLibrarys) {
  const float values[] = {0.0f,         -0.0f,       1.0f,        -1.0f,      2.0f,      -2.0f,     3.0f,
                          -3.0f,        0.5f,        -0.5f,       1.5f,       -1.5f,     kInfinity, -kInfinity,
                          NAN,          1e-45f,      -1e-45f,     1e-38f,     3.4e38f,   -3.4e38f,  16777215.0f,
                          -16777215.0f, 16777216.0f, 33554433.0f, 8388607.5f, 0.999999f, 1.000001f};
  for (const float a : values)
    for (const float b : values) {
      const float expected = static_cast<float>(std::pow(static_cast<double>(a), static_cast<double>(b)));
      const float result = elementary::power(a, b);
      if (std::isnan(expected)) {
        EXPECT_TRUE(std::isnan(result)) << a << " ^ " << b;
        continue;
      }
      EXPECT_EQ(std::signbit(result), std::signbit(expected)) << a << " ^ " << b;
      if (std::isinf(expected) || expected == 0) {
        EXPECT_EQ(result, expected) << a << " ^ " << b;
      } else {
        EXPECT_NEAR(result, expected, std::abs(expected) * 0x1p-23 + 0x1p-149) << a << " ^ " << b;
      }
    }
}

TEST(Power, IsAccurateOverTheWholeRange) {
  for (float a = 1e-44f; a < 1e38f; a *= 1.37f)
    for (float b = -40; b < 40; b += 0.613f) {
      const double expected = std::pow(static_cast<double>(a), static_cast<double>(b));
      if (expected > std::numeric_limits<float>::max()) continue;
      EXPECT_NEAR(elementary::power(a, b), expected, std::max(expected * 0.51 * 0x1p-23, 0.51 * 0x1p-149))
          << a << " ^ " << b;
    }
}

}  // namespace
}  // namespace bevgrad
