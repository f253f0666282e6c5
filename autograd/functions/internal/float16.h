// float16 is a format of storage: what has no loop of its own for it is computed in float32, there and back on the
// tape.
#pragma once
#include "autograd/functions/shape.h"

namespace bevgrad {

inline bool is_float16(const Tensor& x) {
  return x.defined() && x.dtype() == DType::Float16;
}

/// float32 in place of float16; anything else, also an absent tensor, as it is.
inline Tensor in_float32(const Tensor& x) {
  return is_float16(x) ? to(x, DType::Float32) : x;
}

}  // namespace bevgrad
