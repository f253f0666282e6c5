// Pooling and resampling read the places of their windows and no other.
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "autograd/functions.h"

namespace bevgrad::testing {
namespace {

struct WindowCase {
  const char* name;
  std::function<Tensor(const Tensor&)> function;
};

TEST(Windows, WhatIsNotANumberOrInfiniteStaysInsideItsWindows) {
  // On a 5x7 map the place (1, 2) is in the first two rows' and columns' windows, and far from the last ones.
  const std::vector<WindowCase> cases = {
      {"adaptive_avg_pool2d",
       [](const Tensor& x) {
         return adaptive_avg_pool2d(x, {2, 3});
       }},
      {"area",
       [](const Tensor& x) {
         return interpolate(x, {3, 4}, {.mode = InterpolateMode::Area});
       }},
      {"bicubic",
       [](const Tensor& x) {
         return interpolate(x, {9, 13}, {.mode = InterpolateMode::Bicubic});
       }},
      {"corners",
       [](const Tensor& x) {
         return interpolate(x, {9, 13}, {.mode = InterpolateMode::Bilinear, .align_corners = true});
       }},
      {"antialias", [](const Tensor& x) {
         return interpolate(x, {3, 4}, {.mode = InterpolateMode::Bilinear, .antialias = true});
       }}};
  for (const WindowCase& tried : cases) {
    SCOPED_TRACE(tried.name);
    for (const double special : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
      std::vector<double> values(35, 1.0);
      const std::vector<double> expected = tried.function(from_values(values, {1, 1, 5, 7})).to_vector();
      values[1 * 7 + 2] = special;
      const std::vector<double> got = tried.function(from_values(values, {1, 1, 5, 7})).to_vector();
      size_t same = 0;
      for (size_t i = 0; i < got.size(); ++i) same += got[i] == expected[i];
      EXPECT_LT(same, got.size());
      EXPECT_EQ(got.back(), expected.back());
      EXPECT_GE(2 * same, got.size());
    }
  }
}

}  // namespace
}  // namespace bevgrad::testing
