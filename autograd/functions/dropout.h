// Dropout (Srivastava et al., 2014).
#pragma once
#include "autograd/autograd.h"
#include "tensor/random.h"

namespace bevgrad {

/// 0 with probability p, x / (1 - p) otherwise. What is dropped depends on the generator's seed and position and on the
/// element's place alone, not on device or threads; the generator moves on by one draw. In the second run of a
/// checkpointed stretch (autograd/checkpoint.h) the same elements are dropped.
Tensor dropout(const Tensor& x, double p, Generator& generator);

}  // namespace bevgrad
