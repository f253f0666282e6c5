// Large results of cheap operations, which the tape computes again instead of keeping them.
#include <gtest/gtest.h>

#include "autograd/autocast.h"
#include "autograd/functions.h"
#include "support/devices.h"
#include "tensor/allocator.h"
#include "tensor/random.h"

namespace bevgrad {
namespace {

struct Passes {
  size_t kept = 0;  // bytes between the passes
  std::vector<std::vector<double>> gradients;
};

/// Convolution, norm, enlargement, cat and convolution on maps of 4 MB and more; `hold`: somebody keeps all results.
Passes run(Device device, DType dtype, bool hold) {
  Generator generator(3);
  const auto leaf = [&](const Shape& sizes) {
    const Tensor t = ops::to(generator.uniform(sizes, -0.5, 0.5), device);
    set_requires_grad(t, true);
    return t;
  };
  const int64_t edge = dtype == DType::BFloat16 ? 272 : 192;
  const Tensor x = leaf({1, 8, edge, edge}), first = leaf({32, 8, 3, 3}), last = leaf({4, 64, 3, 3}),
               transposed = leaf({64, 4, 2, 2}), gamma = leaf({32}), beta = leaf({32});
  const Tensor mean = zeros({32}, {.device = device}), variance = ones({32}, {.device = device});
  const size_t before = memory_stats(device).in_use;
  Passes passes;
  std::vector<Tensor> held;
  const auto keep = [&](const Tensor& t) {
    if (hold) held.push_back(t);
    return t;
  };
  const auto mean_square = [](const Tensor& t) {
    const Tensor wide = to(t, DType::Float32);
    return bevgrad::mean(mul(wide, wide));
  };
  Tensor loss;
  {
    const AutocastGuard autocast(dtype);
    const Tensor y = keep(batch_norm(conv2d(x, first, {}, {1, 1}), gamma, beta, mean, variance, {.relu = true}));
    const Tensor large = keep(interpolate_bilinear(y, 2 * edge, 2 * edge));
    const Tensor both = keep(cat({large, large}, 1));
    loss = add(mean_square(conv2d(both, last, {}, {1, 1})),
               mean_square(conv_transpose2d(both, transposed, {}, {.stride = 2})));
  }
  passes.kept = memory_stats(device).in_use - before;
  backward(loss);
  for (const Tensor& t : {x, first, last, transposed, gamma, beta}) passes.gradients.push_back(grad(t).to_vector());
  return passes;
}

TEST(RemadeResults, HaveTheBitsOfKeptOnesAndTakeLess) {
  for (const Device device : test_devices()) {
    for (const DType dtype : {DType::Float32, DType::BFloat16}) {
      const Passes kept = run(device, dtype, true), remade = run(device, dtype, false);
      EXPECT_EQ(kept.gradients, remade.gradients);
      EXPECT_LT(2 * remade.kept, kept.kept);
    }
  }
}

// A write in place changes what a later saving sees, never what is computed again.
TEST(RemadeResults, AreNotTakenForWhatWasWrittenOverThem) {
  const Tensor x = ones({1, 64, 64, 64}), weight = ones({1, 64, 1, 1});
  set_requires_grad(x, true);
  set_requires_grad(weight, true);
  const Tensor y = interpolate_bilinear(x, 192, 192);
  {
    const NoGradGuard no_grad;
    ops::fill_(y, 2);
  }
  const Tensor z = conv2d(y, weight);
  EXPECT_EQ(z.to_vector()[0], 128);
  EXPECT_ANY_THROW(backward(sum(z)));  // the enlargement's gradient knows nothing of the write
  EXPECT_EQ(grad(weight).to_vector()[0], 2.0 * 192 * 192);
}

}  // namespace
}  // namespace bevgrad
