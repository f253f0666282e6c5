// Differentiable functions that rearrange elements. They share memory with their input wherever its strides allow it.
#pragma once
#include <vector>

#include "autograd/autograd.h"

namespace bevgrad {

/// New sizes over the same elements in logical order; one size may be -1.
Tensor reshape(const Tensor& x, const Shape& sizes);
/// Dimension i of the result is dimension dims[i] of x.
Tensor permute(const Tensor& x, const std::vector<int>& dims);
Tensor transpose(const Tensor& x, int dim0, int dim1);
/// Elements [start, start+length) of one dimension.
Tensor narrow(const Tensor& x, int dim, int64_t start, int64_t length);
/// One index of a dimension, which disappears.
Tensor select(const Tensor& x, int dim, int64_t index);
Tensor unsqueeze(const Tensor& x, int dim);
Tensor squeeze(const Tensor& x, int dim);
/// Broadcast to `sizes` without a copy.
Tensor expand(const Tensor& x, const Shape& sizes);
/// Joins along an existing dimension.
Tensor cat(const std::vector<Tensor>& tensors, int dim);
/// Joins along a new dimension.
Tensor stack(const std::vector<Tensor>& tensors, int dim);
/// Conversion between floating dtypes; the gradient comes back in x's dtype. `x` itself where it has it already.
Tensor to(const Tensor& x, DType dtype);
/// Dense in `format`; `x` itself where it is already.
Tensor contiguous(const Tensor& x, MemoryFormat format = MemoryFormat::Contiguous);

}  // namespace bevgrad
