#include "optim/weight_average.h"

#include <gtest/gtest.h>

#include <cmath>

#include "autograd/autograd.h"
#include "autograd/functions.h"
#include "base/error.h"
#include "optim/clip_value.h"
#include "support/devices.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

TEST(WeightAverage, IsTheFormula) {
  Tensor weight = from_values({1.0, -2.0}, {2}), count = full({}, 3, {.dtype = DType::Int64});
  const StateDict state = {{"w", weight}, {"n", count}};
  WeightAverage average(0.9);
  EXPECT_TRUE(average.empty());
  average.update(state);
  std::vector<double> expected = {1.0, -2.0};
  EXPECT_EQ(average.values()[0].second.to_vector(), expected);
  for (int n = 1; n < 200; ++n) {
    const std::vector<double> now = {std::sin(n), 0.1 * n};
    ops::copy_(weight, from_values(now, {2}));
    ops::copy_(count, full({}, n, {.dtype = DType::Int64}));
    average.update(state);
    const double kept = std::min(0.9, (1.0 + n) / (10 + n));
    for (size_t i = 0; i < 2; ++i) expected[i] = kept * expected[i] + (1 - kept) * now[i];
    for (size_t i = 0; i < 2; ++i) ASSERT_NEAR(average.values()[0].second.to_vector()[i], expected[i], 1e-4) << n;
    ASSERT_EQ(average.values()[1].second.item(), n);
  }
}

TEST(WeightAverage, StochasticIsTheMean) {
  Tensor weight = zeros({2}, {DType::Float64}), count = zeros({}, {DType::Int64});
  const StateDict state = {{"w", weight}, {"n", count}};
  WeightAverage average = WeightAverage::stochastic();
  std::vector<double> sums = {0, 0};
  for (int n = 1; n <= 30; ++n) {
    const std::vector<double> now = {std::cos(n), 0.25 * n * n};
    ops::copy_(weight, from_values(now, {2}, {DType::Float64}));
    ops::copy_(count, full({}, n, {DType::Int64}));
    average.update(state);
    for (size_t i = 0; i < 2; ++i) sums[i] += now[i];
    for (size_t i = 0; i < 2; ++i) ASSERT_NEAR(average.values()[0].second.to_vector()[i], sums[i] / n, 1e-12) << n;
    ASSERT_EQ(average.values()[1].second.item(), n);
  }
}

TEST(WeightAverage, WhatIsFrozenKeepsItsBits) {
  Tensor weight = from_values({0.1, 1.0 / 3, 1e-30, 7e20}, {4});
  const StateDict state = {{"w", weight}};
  WeightAverage average(0.999);
  for (int i = 0; i < 50; ++i) average.update(state);
  EXPECT_EQ(average.values()[0].second.to_vector(), weight.to_vector());
}

TEST(WeightAverage, SwapsThereAndBack) {
  Tensor weight = from_values({1.0}, {1});
  const StateDict state = {{"w", weight}};
  WeightAverage average(0.5);
  average.update(state);
  ops::copy_(weight, from_values({5.0}, {1}));
  average.swap(state);
  EXPECT_EQ(weight.item(), 1.0);
  average.swap(state);
  EXPECT_EQ(weight.item(), 5.0);
  EXPECT_EQ(average.values()[0].second.item(), 1.0);
}

TEST(WeightAverage, GoesOnFromWhatItWas) {
  Tensor weight = from_values({1.0, 2.0}, {2});
  const StateDict state = {{"w", weight}};
  WeightAverage one(0.9), two(0.9);
  for (int i = 0; i < 3; ++i) one.update(state);
  two.load(one.values(), one.updates(), state, "file");
  ops::copy_(weight, from_values({3.0, 4.0}, {2}));
  one.update(state);
  two.update(state);
  EXPECT_EQ(one.values()[0].second.to_vector(), two.values()[0].second.to_vector());
  EXPECT_THROW(two.load({}, 1, state, "file"), Error);
  EXPECT_THROW(two.load({{"v", weight}}, 1, state, "file"), Error);
  EXPECT_THROW(two.load({{"w", zeros({3})}}, 1, state, "file"), Error);
}

TEST(ClipGradValue, CutsEveryValue) {
  Tensor weight = from_values({1.0, 1.0, 1.0, 1.0}, {4}), other = from_values({1.0}, {1});
  set_requires_grad(weight, true);
  backward(sum(mul(weight, from_values({0.5, -3.0, 2.0, -0.1}, {4}))));
  clip_grad_value({weight, other}, 1.0);
  EXPECT_EQ(grad(weight).to_vector(), from_values({0.5, -1.0, 1.0, -0.1}, {4}).to_vector());
  EXPECT_THROW(clip_grad_value({weight}, 0), Error);
}

}  // namespace
}  // namespace bevgrad
