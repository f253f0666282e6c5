// Many scalars read at once.
#pragma once
#include <span>
#include <vector>

#include "tensor/tensor.h"

namespace bevgrad {

/// The values of scalars (float32 or float64, all on one device). On a GPU the host waits once for all of them.
std::vector<double> read_scalars(std::span<const Tensor> scalars);

}  // namespace bevgrad
