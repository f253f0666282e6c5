// What a warp keeps for its backward pass, and what it has no gradient for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "autograd/functions/reduce.h"
#include "bev/warp.h"
#include "support/error_of.h"

namespace bevgrad {
namespace {

using testing::error_of;

Tensor identity() {
  return from_values({1, 0, 0, 0, 1, 0}, {1, 2, 3}, {.dtype = DType::Float64});
}
const BevRange kRange{-1, -1, 1, 1};

TEST(WarpTraps, MatricesThatAreWrittenBeforeTheBackwardPassAreFound) {
  const Tensor x = ones({1, 1, 2, 2}), matrices = identity();
  set_requires_grad(x, true);
  const Tensor y = sum(warp_bev(x, matrices, kRange, Interpolation::Bilinear));
  ops::fill_(matrices, 0.0);  // the buffer of the next batch
  EXPECT_THAT(error_of([&] { backward(y); }),
              ::testing::HasSubstr("float64 [1,2,3] on cpu that it saved for the backward pass has been written"));
}

TEST(WarpTraps, MatricesHaveNoGradient) {
  const Tensor matrices = identity();
  set_requires_grad(matrices, true);
  EXPECT_EQ(error_of([&] {
              warp_bev(ones({1, 1, 2, 2}), matrices, kRange, Interpolation::Bilinear);
            }),
            "warp_bev: matrices requires a gradient, which is not provided");
  EXPECT_EQ(error_of([&] { warp_mask(matrices, kRange, 2, 2); }),
            "warp_mask: matrices requires a gradient, which is not provided");
}

}  // namespace
}  // namespace bevgrad
