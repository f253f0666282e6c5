#include "autograd/checkpoint.h"

#include <gtest/gtest.h>

#include "autograd/autocast.h"
#include "autograd/functions.h"
#include "autograd/gradcheck.h"
#include "tensor/allocator.h"
#include "tensor/random.h"

namespace bevgrad {
namespace {

using Tensors = std::vector<Tensor>;

Tensor random(const Shape& sizes, uint64_t seed, DType dtype = DType::Float64) {
  return Generator(seed).uniform(sizes, -1, 1, {dtype});
}

Tensor block(const Tensors& in, const Tensor& weight) {
  return conv2d(relu(conv2d(in[0], weight, {}, {1, 1})), weight, {}, {1, 1});
}

TEST(Checkpoint, Gradcheck) {
  const Tensor x = random({1, 3, 4, 5}, 1), weight = random({3, 3, 3, 3}, 2);
  auto f = [](const Tensors& t) {
    const Tensor w = t[1];
    return checkpoint([w](const Tensors& in) { return block(in, w); }, {t[0]}, {w});
  };
  EXPECT_EQ(gradcheck("checkpoint", f, {x, weight}), "");
}

TEST(Checkpoint, SameGradientsAsWithout) {
  for (const DType autocast : {DType::Float32, DType::BFloat16}) {
    std::vector<Tensors> gradients;
    for (const bool again : {false, true}) {
      const Tensor x = random({2, 8, 6, 6}, 1, DType::Float32), weight = random({8, 8, 3, 3}, 2, DType::Float32);
      set_requires_grad(x, true);
      set_requires_grad(weight, true);
      set_grad(weight, ones(weight.sizes()));  // gradients accumulate
      auto f = [weight](const Tensors& in) { return block(in, weight); };
      Tensor y;
      {
        AutocastGuard guard(autocast);
        y = again ? checkpoint(f, {x}, {weight}) : f({x});
      }
      backward(sum(to(mul(y, y), DType::Float32)));
      gradients.push_back({grad(x), grad(weight)});
    }
    EXPECT_EQ(gradients[0][0].to_vector(), gradients[1][0].to_vector());
    const auto a = gradients[0][1].to_vector(), b = gradients[1][1].to_vector();
    for (size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 1e-5 * std::max(1.0, std::abs(a[i])));
  }
}

TEST(Checkpoint, ParametersAlone) {
  const Tensor x = random({1, 3, 4, 4}, 1), weight = random({3, 3, 3, 3}, 2);
  set_requires_grad(weight, true);
  backward(sum(checkpoint([weight](const Tensors& in) { return block(in, weight); }, {x}, {weight})));
  EXPECT_TRUE(grad(weight).defined());
  EXPECT_FALSE(grad(x).defined());
}

TEST(Checkpoint, RunningStatisticsMoveOnce) {
  const Tensor x = random({2, 3, 4, 4}, 1), gamma = ones({3}, {DType::Float64}), beta = zeros({3}, {DType::Float64});
  const Tensor mean = zeros({3}, {DType::Float64}), variance = ones({3}, {DType::Float64});
  set_requires_grad(x, true);
  const Tensor y = checkpoint([=](const Tensors& in) { return batch_norm(in[0], gamma, beta, mean, variance); }, {x});
  const auto after_forward = mean.to_vector();
  backward(sum(mul(y, y)));
  EXPECT_EQ(mean.to_vector(), after_forward);
}

TEST(Checkpoint, KeepsLessMemory) {
  const Tensor x = random({4, 16, 32, 32}, 1, DType::Float32), weight = random({16, 16, 3, 3}, 2, DType::Float32);
  set_requires_grad(weight, true);
  auto kept = [&](bool again) {
    const size_t before = memory_stats().in_use;
    Tensor y = x;
    for (int i = 0; i < 3; ++i) {
      auto f = [weight](const Tensors& in) { return block(in, weight); };
      y = again ? checkpoint(f, {y}, {weight}) : f({y});
    }
    return memory_stats().in_use - before;
  };
  EXPECT_LT(kept(true) * 3, kept(false) * 2);
}

TEST(Checkpoint, NothingWantedIsPlain) {
  const Tensor x = random({1, 3, 4, 4}, 1), weight = random({3, 3, 3, 3}, 2);
  EXPECT_FALSE(requires_grad(checkpoint([weight](const Tensors& in) { return block(in, weight); }, {x}, {weight})));
}

}  // namespace
}  // namespace bevgrad
