// A residual branch that is weighted channel by channel, in one pass each way.
#pragma once
#include "autograd/autograd.h"

namespace bevgrad {

/// x + scale[c] * branch: x and branch [N,C,H,W] or [M,C] of one dtype, scale [C] float32 (float64 with float64) -> as
/// x, channels-last.
Tensor add_scaled(const Tensor& x, const Tensor& branch, const Tensor& scale);

}  // namespace bevgrad
