// Differentiable elementary functions beyond those of pointwise.h, under the same rules.
#pragma once
#include "autograd/autograd.h"

namespace bevgrad {

Tensor sin(const Tensor& x);
Tensor cos(const Tensor& x);
Tensor erf(const Tensor& x);
/// log(1 + x) and exp(x) - 1, exact near 0.
Tensor log1p(const Tensor& x);
Tensor expm1(const Tensor& x);
/// 1 / sqrt(x)
Tensor rsqrt(const Tensor& x);
/// x^exponent; the gradient is 0 where the exponent is 0.
Tensor pow(const Tensor& x, double exponent);
/// a^b, broadcast. The gradient for b is 0 where a is 0 and b is not negative.
Tensor pow(const Tensor& a, const Tensor& b);
/// The larger and the smaller of two, broadcast; a NaN wins. Equal operands share the gradient.
Tensor maximum(const Tensor& a, const Tensor& b);
Tensor minimum(const Tensor& a, const Tensor& b);

}  // namespace bevgrad
