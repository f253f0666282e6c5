// The smallest value along a dimension; the largest is in tensor/ops.h.
#pragma once
#include <utility>

#include "tensor/tensor.h"

namespace bevgrad::ops {

/// The minimum along `dim` and where it stands (int64; the first one of equals); a NaN is the minimum. Any dtype.
std::pair<Tensor, Tensor> min_with_index(const Tensor& x, int dim, bool keep_dims = false);

}  // namespace bevgrad::ops
