// A norm folded into a convolution, as inference computes it, against its definition.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "autograd/functions/batch_norm.h"
#include "autograd/functions/conv.h"
#include "support/devices.h"
#include "support/error_of.h"
#include "tensor/ops.h"
#include "tensor/random.h"

namespace bevgrad {
namespace {

using testing::error_of;

TEST(FoldBatchNorm, IsOneFactorAndOneSummandAChannel) {
  const Tensor gamma = from_values({1, -2, 0.5}, {3}), beta = from_values({0.1, 0.2, -0.3}, {3}),
               mean = from_values({4, -5, 6}, {3}), variance = from_values({0.25, 9, 0}, {3});
  const FoldedNorm folded = fold_batch_norm(gamma, beta, mean, variance, 0.01);
  for (size_t c = 0; c < 3; ++c) {
    const double scale = gamma.to_vector()[c] / std::sqrt(variance.to_vector()[c] + 0.01);
    EXPECT_NEAR(folded.scale.to_vector()[c], scale, 1e-5);
    EXPECT_NEAR(folded.shift.to_vector()[c], beta.to_vector()[c] - mean.to_vector()[c] * scale, 1e-4);
  }
}

TEST(Conv2dAffine, IsTheConvolutionThenFactorSummandResidualAndRelu) {
  for (const Device device : test_devices()) {
    SCOPED_TRACE(to_string(device));
    Generator random(3);
    const Tensor x = ops::to(random.normal({2, 5, 7, 6}), device),
                 weight = ops::to(random.normal({4, 5, 3, 3}), device), scale = ops::to(random.normal({4}), device),
                 shift = ops::to(random.normal({4}), device), residual = ops::to(random.normal({2, 4, 7, 6}), device);
    const Conv2dOptions options{.padding = 1};
    const NoGradGuard no_grad;
    const Tensor plain = conv2d(x, weight, {}, options);
    const auto p = plain.to_vector(), r = residual.to_vector(), s = scale.to_vector(), t = shift.to_vector();
    for (const bool relu : {false, true})
      for (const bool adds : {false, true}) {
        const auto got =
            conv2d_affine(x, weight,
                          {.scale = scale, .shift = shift, .residual = adds ? residual : Tensor(), .relu = relu},
                          options)
                .to_vector();
        for (size_t i = 0; i < got.size(); ++i) {
          const size_t c = i / 42 % 4;
          const double value = p[i] * s[c] + t[c] + (adds ? r[i] : 0);
          ASSERT_NEAR(got[i], relu ? std::max(0.0, value) : value, 1e-3) << i;
        }
      }
  }
}

TEST(Conv2dAffine, IsForInferenceAlone) {
  const Tensor x = ones({1, 2, 3, 3}), weight = ones({2, 2, 1, 1});
  set_requires_grad(weight, true);
  EXPECT_THAT(error_of([&] { conv2d_affine(x, weight, {}); }), ::testing::HasSubstr("conv2d_affine"));
}

}  // namespace
}  // namespace bevgrad
