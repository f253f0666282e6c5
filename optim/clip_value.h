// Clipping of gradients value by value.
#pragma once
#include <vector>

#include "tensor/tensor.h"

namespace bevgrad {

/// Every value of the parameters' gradients becomes one of -limit..limit; NaN stays NaN. As PyTorch's
/// clip_grad_value_. `limit` is above 0.
void clip_grad_value(const std::vector<Tensor>& parameters, double limit);

}  // namespace bevgrad
