// Matrix products and linear layers.
#pragma once
#include "autograd/autograd.h"

namespace bevgrad {

/// The matrix product in all of PyTorch's shapes: a [..,m,k] x b [..,k,n] -> [..,m,n] with broadcast batch dimensions;
/// a vector is a row on the left and a column on the right, and its dimension is not in the result (two vectors give a
/// zero-dimensional one). a and b share dtype (float32, float64 or bfloat16) and device. The dtype is as given,
/// whatever autocast says.
Tensor matmul(const Tensor& a, const Tensor& b);

/// x [..,in] times weight [out,in] transposed plus bias [out] (or undefined) -> [..,out]. Weight and bias are float32
/// (float64 with float64 x); under autocast a float32 x is computed in bfloat16 and so is the result. `relu` is
/// applied to the result; NaN stays NaN.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, bool relu = false);

}  // namespace bevgrad
