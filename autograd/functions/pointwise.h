// Differentiable per-element functions. Shapes broadcast as in NumPy; the inputs of one call share dtype (float32,
// float64, bfloat16 or float16, which is computed in float32) and device, otherwise Error names the function, what came
// and what was expected.
//
// add, sub, mul, neg, abs and sum also take integers and bools, without a gradient: they wrap around; add of bools is
// "or", mul "and"; a number that is whole leaves the dtype as it is (bools become int64), another makes float32; div of
// integers is float32; a sum is int64 (exact below 2^53).
#pragma once
#include "autograd/autograd.h"

namespace bevgrad {

Tensor add(const Tensor& a, const Tensor& b);
Tensor sub(const Tensor& a, const Tensor& b);
Tensor mul(const Tensor& a, const Tensor& b);
Tensor div(const Tensor& a, const Tensor& b);
Tensor add(const Tensor& a, double b);
Tensor sub(const Tensor& a, double b);
Tensor mul(const Tensor& a, double b);
Tensor div(const Tensor& a, double b);

Tensor neg(const Tensor& x);
Tensor exp(const Tensor& x);
Tensor log(const Tensor& x);
Tensor sqrt(const Tensor& x);
/// Gradient 0 at 0.
Tensor abs(const Tensor& x);
/// max(x, 0), gradient 0 at 0; NaN stays NaN, and the gradient passes there.
Tensor relu(const Tensor& x);
Tensor sigmoid(const Tensor& x);
/// Values below `low` become `low`, above `high` `high`. The gradient passes between the bounds, not at them.
Tensor clamp(const Tensor& x, double low, double high);

}  // namespace bevgrad
