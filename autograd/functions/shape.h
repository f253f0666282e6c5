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
/// One index of a dimension, which disappears; negative counts from the end.
Tensor select(const Tensor& x, int dim, int64_t index);
Tensor unsqueeze(const Tensor& x, int dim);
/// Without a dimension of size 1; `x` as it is where the size is another, as in PyTorch.
Tensor squeeze(const Tensor& x, int dim);
/// Broadcast to `sizes` without a copy.
Tensor expand(const Tensor& x, const Shape& sizes);
/// Joins along an existing dimension. Inputs of sizes [0] count as nothing, whatever the others' rank, as in PyTorch.
Tensor cat(const std::vector<Tensor>& tensors, int dim);
/// Joins along a new dimension.
Tensor stack(const std::vector<Tensor>& tensors, int dim);
/// Conversion; between floating dtypes the gradient comes back in x's dtype, from or to others there is none. `x`
/// itself where it has the dtype already.
Tensor to(const Tensor& x, DType dtype);
/// On that device; `x` itself where it is there already. The gradient comes back on x's device.
Tensor to(const Tensor& x, Device device);
/// A copy in memory of its own.
Tensor clone(const Tensor& x);
/// Dense in `format`; `x` itself where it is already.
Tensor contiguous(const Tensor& x, MemoryFormat format = MemoryFormat::Contiguous);

}  // namespace bevgrad
