// The Euclidean length of vectors in a tensor.
#pragma once
#include <vector>

#include "tensor/tensor.h"

namespace bevgrad::ops {

/// The root of the sum of squares over `dims` (all where none is named), which stay with size 1. The squares are added
/// up as sum() does it; their sum is rounded before the root is taken.
Tensor root_of_squares(const Tensor& x, const std::vector<int>& dims);

}  // namespace bevgrad::ops
