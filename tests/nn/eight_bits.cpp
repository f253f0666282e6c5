// Convolutions in 8 bits: integers against the same rounding in floating point, which is what trains.
#include "nn/eight_bits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "autograd/functions/pointwise.h"
#include "autograd/functions/reduce.h"
#include "nn/byte_maps.h"
#include "nn/fake_quantize.h"
#include "nn/range_watch.h"
#include "support/error_of.h"
#include "tensor/random.h"

namespace bevgrad {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(FakeQuantize, RoundsToTheSteps) {
  const Tensor x = from_values({-9, -0.6, 0.4, 0.5, 1.5, 99.7, 300}, {7});
  EXPECT_THAT(fake_quantize(x, {255, false}).to_vector(), ElementsAre(0, 0, 0, 0, 2, 100, 255));
  EXPECT_THAT(fake_quantize(x, {127, true}).to_vector(), ElementsAre(-9, -1, 0, 0, 2, 100, 127));
  EXPECT_TRUE(std::isnan(fake_quantize(full({1}, std::numeric_limits<double>::quiet_NaN()), {1, true}).item()));
}

TEST(FakeQuantize, TheGradientIsTheClippings) {
  const Tensor x = from_values({-0.5, 0.1, 0.123, 1.99, 2.5}, {5});
  set_requires_grad(x, true);
  backward(sum(mul(fake_quantize(x, {2, false}), from_values({1, 2, 3, 4, 5}, {5}))));
  EXPECT_THAT(grad(x).to_vector(), ElementsAre(0, 2, 3, 4, 0));
}

TEST(FakeQuantize, WeightsHaveAStepForEachOutputChannel) {
  const Tensor w = from_values({1.27, 0.0149, -0.3, 0, 0, 0, -127, 0.6, 126.4}, {3, 3, 1, 1});
  set_requires_grad(w, true);
  const Tensor y = fake_quantize_weight(w);
  const std::vector<double> got = y.to_vector(), expected = {1.27, 0.01, -0.3, 0, 0, 0, -127, 1, 126};
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], expected[i], 1e-5) << i;
  backward(sum(y));
  EXPECT_THAT(grad(w).to_vector(), ::testing::Each(1));
}

/// A residual block and a convolution of its own behind it, with the ranges of `input`.
struct Block : Module {
  Conv2d first{8, 16, {.kernel = 3, .padding = 1, .bias = false}}, second{16, 8, {.kernel = 3, .padding = 1}},
      last{8, 4, {.kernel = 1, .relu = true}};
  BatchNorm first_norm{16}, second_norm{8};

  Block() {
    register_module("first", first), register_module("first_norm", first_norm);
    register_module("second", second), register_module("second_norm", second_norm);
    register_module("last", last);
    Generator generator(2);
    const NoGradGuard no_grad;
    for (const auto& [name, value] : state_dict())
      if (is_floating_point(value.dtype()))
        ops::copy_(value, name.ends_with("running_var") ? generator.uniform(value.sizes(), 0.5, 2)
                                                        : generator.normal(value.sizes()));
    set_training(false);
  }
  Tensor forward(const Tensor& x) {
    const Tensor inside = conv_bn_relu(first, first_norm, x, {.relu = true, .only_convolved = true});
    const Tensor sum = conv_bn_relu(second, second_norm, inside, {.residual = x, .relu = true, .only_convolved = true});
    return last.forward(sum);
  }
  void use_eight_bits(const Tensor& input) {
    RangeWatch watch;
    {
      const NoGradGuard no_grad;
      const ConvObserver observer(*this, watch.see(*this));
      forward(input);
    }
    const ActivationRanges ranges = watch.ranges();
    for (auto& [name, conv] : {std::pair{"first", &first}, {"second", &second}, {"last", &last}})
      conv->set_eight_bits(std::make_shared<EightBits>(name, ranges.at(name)));
  }
};

TEST(EightBits, IntegersGiveWhatTheTrainingRounds) {
  Block block;
  Generator generator(3);
  const Tensor x = generator.uniform({2, 8, 9, 12}, -1, 2);
  const NoGradGuard no_grad;
  const Tensor plain = block.forward(x);
  block.use_eight_bits(x);
  const Tensor integers = block.forward(x);
  Tensor rounded;
  {
    const GradModeGuard recorded(true);
    for (const auto& [name, value] : block.named_parameters()) set_requires_grad(value, true);
    rounded = detach(block.forward(x));
  }
  const std::vector<double> a = integers.to_vector(), b = rounded.to_vector(), c = plain.to_vector();
  double largest = 0, off = 0, away = 0;
  int different = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, c[i]);
    off = std::max(off, std::abs(a[i] - c[i]));
    away = std::max(away, std::abs(a[i] - b[i]));
    different += std::abs(a[i] - b[i]) > 1e-4 * largest;
  }
  EXPECT_GT(off, 0) << "8 bits change nothing?";
  EXPECT_LT(off, 0.1 * largest);
  // A value next to a tie may go the other way, which is one step of a convolution's input.
  EXPECT_LT(away, 0.02 * largest);
  EXPECT_LT(different, static_cast<int>(a.size() / 50));
}

TEST(EightBits, ATrainingChangesWhatIsPrepared) {
  Block block;
  Generator generator(3);
  const Tensor x = generator.uniform({1, 8, 6, 6}, -1, 2);
  block.use_eight_bits(x);
  const NoGradGuard no_grad;
  const std::vector<double> before = block.forward(x).to_vector();
  EXPECT_EQ(block.forward(x).to_vector(), before);
  ops::fill_(block.last.bias, 5);
  const std::vector<double> moved = block.forward(x).to_vector();
  EXPECT_NE(moved, before);
  ops::fill_(block.first_norm.running_var, 9);
  EXPECT_NE(block.forward(x).to_vector(), moved);
}

TEST(EightBits, GradientsReachWeightsAndNorms) {
  Block block;
  Generator generator(3);
  const Tensor x = generator.uniform({1, 8, 6, 6}, -1, 2);
  block.use_eight_bits(x);
  block.set_training(true);
  for (const auto& [name, value] : block.named_parameters()) set_requires_grad(value, true);
  backward(sum(block.forward(x)));
  for (const auto& [name, value] : block.named_parameters()) {
    ASSERT_TRUE(grad(value).defined()) << name;
    // A bias in front of a norm on the batch's statistics changes nothing.
    if (name == "second.bias") continue;
    EXPECT_GT(ops::max(ops::abs(ops::reshape(grad(value), {-1})), 0).item(), 0) << name;
  }
}

TEST(ByteMaps, ConvolutionsWithoutRangesReadThem) {
  Block block;
  Generator generator(3);
  const Tensor x = generator.uniform({1, 8, 6, 6}, -1, 2);
  const NoGradGuard no_grad;
  const Tensor plain = block.forward(x);
  block.use_eight_bits(x);
  block.second.set_eight_bits(nullptr);
  const std::vector<double> a = block.forward(x).to_vector(), b = plain.to_vector();
  const double largest = *std::ranges::max_element(b);
  for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 0.1 * largest);
}

TEST(ByteMaps, IntegersThatNoConvolutionMadeAreRefused) {
  const Conv2d conv(3, 2, {.kernel = 1});
  const Tensor pixels = zeros({1, 3, 4, 4}, {DType::UInt8});
  EXPECT_THAT(testing::error_of([&] { conv.forward(pixels); }), HasSubstr("uint8 [1,3,4,4]"));
  EXPECT_FALSE(byte_map(zeros({1})).has_value());
  // Memory that is used again by others is not mistaken for the map that was there.
  const ByteMap map = to_bytes(ones({1, 1, 2, 2}), 1, false);
  EXPECT_EQ(byte_map(with_step(map))->step, 1.0 / 255);
  EXPECT_THAT(without_bytes(map.values).to_vector(), ::testing::Each(1));
  EXPECT_EQ(byte_map(ops::narrow(map.values, 2, 0, 1))->step, 1.0 / 255);
}

TEST(EightBits, WhatIsNotFiniteIsNamed) {
  Block block;
  const Tensor x = ones({1, 8, 6, 6});
  block.use_eight_bits(x);
  const NoGradGuard no_grad;
  const Tensor bad = full({1, 8, 6, 6}, std::numeric_limits<double>::quiet_NaN());
  if (!has_byte_products()) GTEST_SKIP() << "this processor has no products of bytes";
  EXPECT_THAT(testing::error_of([&] { block.forward(bad); }), HasSubstr("the input of first is not finite"));
  block.first.weight.data<float>()[5] = std::numeric_limits<float>::infinity();
  EXPECT_THAT(testing::error_of([&] { block.forward(x); }), HasSubstr("first: its weights or its norm"));
  EXPECT_THAT(testing::error_of([] { EightBits("stem", {{0, false}, {}, {1, false}}); }), HasSubstr("stem: a range"));
}

}  // namespace
}  // namespace bevgrad
