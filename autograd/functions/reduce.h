// Differentiable reductions. Where no dimension is named all are reduced; a zero-dimensional tensor has dimension 0
// (and -1) of size 1, as in PyTorch.
#pragma once
#include <vector>

#include "autograd/autograd.h"

namespace bevgrad {

/// Sum of all elements, zero-dimensional.
Tensor sum(const Tensor& x);
Tensor sum(const Tensor& x, const std::vector<int>& dims, bool keep_dims = false);
/// Mean of all elements, zero-dimensional; of an empty tensor NaN.
Tensor mean(const Tensor& x);
Tensor mean(const Tensor& x, const std::vector<int>& dims, bool keep_dims = false);
/// Maximum along `dim`. The gradient goes to the first of equal maxima.
Tensor max(const Tensor& x, int dim, bool keep_dims = false);

}  // namespace bevgrad
