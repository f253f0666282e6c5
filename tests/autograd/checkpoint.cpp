#include "autograd/checkpoint.h"

#include <gtest/gtest.h>

#include "autograd/autocast.h"
#include "autograd/batch_sync.h"
#include "autograd/functions.h"
#include "autograd/grad.h"
#include "autograd/gradcheck.h"
#include "autograd/gradient_hook.h"
#include "base/error.h"
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
    EXPECT_EQ(gradients[0][1].to_vector(), gradients[1][1].to_vector());
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

// The sums of several gradients depend on their order, which is that of a tape without the stretch.
TEST(Checkpoint, SameBitsWhereTheInputHasOtherUses) {
  std::vector<std::vector<double>> gradients;
  for (const bool again : {false, true}) {
    const Tensor x = random({2, 8, 6, 6}, 1, DType::Float32), weight = random({8, 8, 3, 3}, 2, DType::Float32);
    set_requires_grad(x, true);
    set_requires_grad(weight, true);
    const Tensor hidden = tanh(mul(x, 3.0));
    auto f = [weight](const Tensors& in) { return add(block(in, weight), mul(in[0], 0.3)); };
    const Tensor y = again ? checkpoint(f, {hidden}, {weight}) : f({hidden});
    backward(sum(mul(add(y, mul(hidden, 0.7)), conv2d(y, weight, {}, {1, 1}))));
    gradients.push_back(grad(x).to_vector());
    gradients.push_back(grad(weight).to_vector());
  }
  EXPECT_EQ(gradients[0], gradients[2]);
  EXPECT_EQ(gradients[1], gradients[3]);
}

TEST(Checkpoint, HooksSeeACompleteGradientOnce) {
  const Tensor x = random({1, 3, 4, 4}, 1), weight = random({3, 3, 3, 3}, 2), unused = random({2}, 3);
  for (const Tensor& leaf : {weight, unused}) set_requires_grad(leaf, true);
  std::vector<std::vector<double>> seen;
  set_gradient_hook(weight, [&](const Tensor& gradient) { seen.push_back(gradient.to_vector()); });
  int of_unused = 0;
  set_gradient_hook(unused, [&](const Tensor& gradient) {
    ++of_unused;
    EXPECT_EQ(gradient.to_vector(), std::vector<double>(2, 0.0));
  });
  const Tensor y = checkpoint([weight](const Tensors& in) { return block(in, weight); }, {x}, {weight, unused});
  // Another use outside the stretch.
  backward(sum(conv2d(y, weight, {}, {1, 1})));
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0], grad(weight).to_vector());
  EXPECT_EQ(of_unused, 1);
  set_gradient_hook(weight, nullptr);
  set_gradient_hook(unused, nullptr);
}

TEST(Checkpoint, GivesChosenGradients) {
  const Tensor x = random({1, 3, 4, 4}, 1), weight = random({3, 3, 3, 3}, 2);
  set_requires_grad(x, true);
  set_requires_grad(weight, true);
  auto f = [weight](const Tensors& in) { return block(in, weight); };
  const Grads plain = autograd::grad({sum(f({mul(x, 2.0)}))}, {x, weight});
  const Grads again = autograd::grad({sum(checkpoint(f, {mul(x, 2.0)}, {weight}))}, {x, weight});
  for (size_t i = 0; i < 2; ++i) EXPECT_EQ(plain[i].to_vector(), again[i].to_vector());
  EXPECT_FALSE(grad(weight).defined());
}

TEST(Checkpoint, GoesBackTwiceWhereTheTapeIsRetained) {
  const Tensor x = random({1, 3, 4, 4}, 1), weight = random({3, 3, 3, 3}, 2);
  set_requires_grad(weight, true);
  const Tensor y = sum(checkpoint([weight](const Tensors& in) { return block(in, weight); }, {x}, {weight}));
  backward(y, {}, true);
  const Tensor once = ops::clone(grad(weight));
  backward(y);
  const std::vector<double> twice = grad(weight).to_vector(), single = once.to_vector();
  for (size_t i = 0; i < twice.size(); ++i) EXPECT_NEAR(twice[i], 2 * single[i], 1e-12);
  EXPECT_THROW(backward(y), Error);
}

TEST(Checkpoint, ProcessesAreAskedOnceForTheStatistics) {
  std::vector<int> asked;
  for (const bool again : {false, true}) {
    int sums = 0;
    const BatchSync sync{
        .sum = [](std::span<double>) {}, .sum_tensors = [&](std::span<const Tensor>) { ++sums; }, .processes = 2};
    const BatchSyncGuard guard(&sync);
    const Tensor x = random({2, 3, 4, 4}, 1), gamma = ones({3}, {DType::Float64}), beta = zeros({3}, {DType::Float64});
    const Tensor mean = zeros({3}, {DType::Float64}), variance = ones({3}, {DType::Float64});
    set_requires_grad(x, true);
    auto f = [=](const Tensors& in) { return batch_norm(in[0], gamma, beta, mean, variance); };
    const Tensor y = again ? checkpoint(f, {x}) : f({x});
    backward(sum(mul(y, y)));
    asked.push_back(sums);
  }
  EXPECT_EQ(asked[0], asked[1]);
}

}  // namespace
}  // namespace bevgrad
