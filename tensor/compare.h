// Comparisons, and what is made of their results: no gradient flows through them, so they take any tensor, whether or
// not it requires one. Shapes broadcast; both sides share dtype (any) and device; results are bool.
#pragma once
#include "tensor/tensor.h"

namespace bevgrad {

Tensor eq(const Tensor& a, const Tensor& b);
Tensor ne(const Tensor& a, const Tensor& b);
Tensor lt(const Tensor& a, const Tensor& b);
Tensor le(const Tensor& a, const Tensor& b);
Tensor gt(const Tensor& a, const Tensor& b);
Tensor ge(const Tensor& a, const Tensor& b);
/// With a number, which is taken in the tensor's dtype; integers compare right with 0.5 and what is out of their range.
Tensor eq(const Tensor& a, double b);
Tensor ne(const Tensor& a, double b);
Tensor lt(const Tensor& a, double b);
Tensor le(const Tensor& a, double b);
Tensor gt(const Tensor& a, double b);
Tensor ge(const Tensor& a, double b);
Tensor isnan(const Tensor& x);

/// Of bool tensors.
Tensor logical_and(const Tensor& a, const Tensor& b);
Tensor logical_or(const Tensor& a, const Tensor& b);
Tensor logical_not(const Tensor& a);
/// Whether any, or every, element of a bool tensor is true.
bool any(const Tensor& x);
bool all(const Tensor& x);

/// Where the largest or smallest value along `dim` stands (int64): the first of equal ones; a NaN is both.
Tensor argmax(const Tensor& x, int dim, bool keep_dims = false);
Tensor argmin(const Tensor& x, int dim, bool keep_dims = false);
/// The index (int64) that sorts x along `dim`; equal values keep their order; NaN counts as the largest. On a GPU the
/// values are brought to the host.
Tensor argsort(const Tensor& x, int dim = -1, bool descending = false);
/// The first `count` indices of argsort, without sorting what is behind them.
Tensor argtop(const Tensor& x, int64_t count, int dim = -1, bool largest = true);

}  // namespace bevgrad
