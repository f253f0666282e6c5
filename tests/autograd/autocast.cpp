#include "autograd/autocast.h"

#include <gtest/gtest.h>

#include "autograd/functions.h"
#include "tensor/random.h"

namespace bevgrad {
namespace {

Tensor random(const Shape& sizes, uint64_t seed) {
  return Generator(seed).uniform(sizes, -1, 1);
}

void expect_close(const Tensor& actual, const Tensor& expected, double share) {
  const auto a = actual.to_vector(), e = expected.to_vector();
  double largest = 0;
  for (double value : e) largest = std::max(largest, std::abs(value));
  for (size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], e[i], share * largest) << "element " << i;
}

struct Leaves {
  Tensor x = random({2, 8, 6, 5}, 1), conv = random({16, 8, 3, 3}, 2), gamma = random({16}, 3), beta = random({16}, 4),
         bias = random({16}, 5), linear = random({7, 16}, 6);
  Leaves() {
    for (const Tensor* leaf : all()) set_requires_grad(*leaf, true);
  }
  std::vector<const Tensor*> all() { return {&x, &conv, &gamma, &beta, &bias, &linear}; }

  Tensor run() {
    const Tensor mean = zeros({16}), variance = ones({16});
    const Tensor h = batch_norm(conv2d(x, conv, bias, {1, 1}), gamma, beta, mean, variance, {.relu = true});
    return sum(to(linear_of(h), DType::Float32));
  }
  Tensor linear_of(const Tensor& h) { return bevgrad::linear(permute(h, {0, 2, 3, 1}), linear); }
};

TEST(Autocast, ComputesInBFloat16AndKeepsParametersFloat32) {
  Leaves plain, cast;
  backward(plain.run());
  {
    AutocastGuard autocast(DType::BFloat16);
    EXPECT_EQ(conv2d(cast.x, cast.conv).dtype(), DType::BFloat16);
    EXPECT_EQ(linear(random({3, 16}, 1), cast.linear).dtype(), DType::BFloat16);
    backward(cast.run());
  }
  EXPECT_EQ(conv2d(cast.x, cast.conv).dtype(), DType::Float32);
  const auto expected = plain.all(), actual = cast.all();
  for (size_t i = 0; i < actual.size(); ++i) {
    EXPECT_EQ(grad(*actual[i]).dtype(), DType::Float32);
    if (expected[i] == &plain.bias) continue;  // its gradient is 0 but for rounding: the norm takes it away
    expect_close(grad(*actual[i]), grad(*expected[i]), 0.08);
  }
}

TEST(Autocast, LeavesFloat64Alone) {
  AutocastGuard autocast(DType::BFloat16);
  EXPECT_EQ(conv2d(zeros({1, 3, 4, 4}, {DType::Float64}), zeros({4, 3, 3, 3}, {DType::Float64})).dtype(),
            DType::Float64);
}

TEST(Autocast, EndsWithItsScopeAndRefusesOtherDtypes) {
  {
    AutocastGuard outer(DType::BFloat16);
    {
      AutocastGuard inner(DType::Float32);
      EXPECT_EQ(autocast_dtype(), DType::Float32);
    }
    EXPECT_EQ(autocast_dtype(), DType::BFloat16);
  }
  EXPECT_EQ(autocast_dtype(), DType::Float32);
  EXPECT_THROW(AutocastGuard(DType::Int32), Error);
}

// bfloat16 gradients of a convolution against float64's.
TEST(Autocast, ConvGradientsAgreeWithFloat64) {
  const Tensor x = random({2, 16, 7, 6}, 1), weight = random({24, 16, 3, 3}, 2), dy = random({2, 24, 4, 3}, 3);
  auto run = [&](DType dtype, bool autocast) {
    std::vector<Tensor> leaves{detach(ops::to(x, dtype)), detach(ops::to(weight, dtype))};
    for (const Tensor& leaf : leaves) set_requires_grad(leaf, true);
    AutocastGuard guard(autocast ? DType::BFloat16 : DType::Float32);
    const Tensor y = conv2d(leaves[0], leaves[1], {}, {2, 1});
    backward(y, ops::to(dy, y.dtype()));
    return std::vector<Tensor>{grad(leaves[0]), grad(leaves[1])};
  };
  const auto expected = run(DType::Float64, false);
  for (const auto& [autocast, share] : {std::pair(false, 1e-5), std::pair(true, 0.02)}) {
    const auto actual = run(DType::Float32, autocast);
    expect_close(actual[0], expected[0], share);
    expect_close(actual[1], expected[1], share);
  }
}

}  // namespace
}  // namespace bevgrad
