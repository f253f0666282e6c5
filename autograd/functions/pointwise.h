// Differentiable per-element functions. Shapes broadcast as in NumPy; the inputs of one call share dtype (float32,
// float64 or bfloat16) and device, otherwise Error names the function, what came and what was expected.
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
