// Choosing between values by a bool mask (tensor/compare.h makes them).
#pragma once
#include "autograd/autograd.h"
#include "tensor/compare.h"  // IWYU pragma: export

namespace bevgrad {

/// a where the condition holds, b elsewhere; all three broadcast; a and b of one dtype, any. The gradient goes to what
/// was taken.
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);
/// x (any dtype) with `value` where the mask, which broadcasts to x, holds; no gradient there.
Tensor masked_fill(const Tensor& x, const Tensor& mask, double value);

}  // namespace bevgrad
