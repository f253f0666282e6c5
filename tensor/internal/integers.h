// Arithmetic of integers and bools: same dtype in and out, wrapping around as two's complement does; of bools, add is
// "or" and mul "and".
#pragma once
#include <string_view>

#include "tensor/tensor.h"

namespace bevgrad::integers {

/// A defined tensor of integers or bools.
bool are(const Tensor& x);

/// Broadcast; both of one dtype and device.
Tensor add(const Tensor& a, const Tensor& b);
Tensor sub(const Tensor& a, const Tensor& b);
Tensor mul(const Tensor& a, const Tensor& b);
Tensor abs(const Tensor& x);

/// Bounds that are not whole, infinite ones aside, make it float32.
Tensor clamp(const Tensor& x, double low, double high);

/// What x is computed with a number in: int64 for bools and as it is otherwise for a whole number, else float32.
Tensor promoted(const Tensor& x, double number);
/// A whole number as a tensor that goes with x.
Tensor number_like(const Tensor& x, double number);

}  // namespace bevgrad::integers
