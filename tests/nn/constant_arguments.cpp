// Arguments of losses that have no gradient are constants, or an error: never a gradient that is silently missing.
#include <gtest/gtest.h>

#include "autograd/autograd.h"
#include "nn/common_losses.h"
#include "nn/losses.h"
#include "support/error_of.h"

namespace bevgrad {
namespace {

using testing::error_of;

Tensor wanted(const Shape& sizes, double value) {
  const Tensor x = full(sizes, value);
  set_requires_grad(x, true);
  return x;
}

TEST(ConstantArguments, ThatWantAGradientAreRefused) {
  const Tensor classes = from_values({0, 1}, {2}, {.dtype = DType::Int64}), cells = zeros({1}, {.dtype = DType::Int64});
  const std::vector<std::pair<const char*, std::function<void()>>> calls = {
      {"nll_loss: weight",
       [&] {
         nll_loss(wanted({2, 3}, -1), classes, {.weight = wanted({3}, 0.5)});
       }},
      // The class loss inside of it says so.
      {"nll_loss: weight",
       [&] {
         cross_entropy(wanted({2, 3}, 1), classes, {.weight = wanted({3}, 0.5)});
       }},
      {"gaussian_focal_loss: targets",
       [&] {
         gaussian_focal_loss(wanted({1, 1, 2, 2}, 1), wanted({1, 1, 2, 2}, 1));
       }},
      {"indexed_l1_loss: targets",
       [&] {
         indexed_l1_loss(wanted({1, 2, 2, 2}, 3), cells, wanted({1, 2}, 1));
       }},
      {"indexed_cross_entropy: targets",
       [&] {
         const Tensor targets = ones({1, 2}, {.dtype = DType::Float64});
         set_requires_grad(targets, true);
         indexed_cross_entropy(wanted({1, 2, 2, 2}, 3), cells, targets);
       }},
  };
  for (const auto& [argument, call] : calls) {
    EXPECT_EQ(error_of(call), fmt::format("{} requires a gradient, which is not provided", argument));
    const NoGradGuard no_grad;
    EXPECT_NO_THROW(call());
  }
}

}  // namespace
}  // namespace bevgrad
