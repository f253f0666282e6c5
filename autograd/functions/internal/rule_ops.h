// Operations of rules that may be recorded: the differentiable function where the pass is recorded, the plain one
// elsewhere, which costs less and stays out of profiles.
#pragma once
#include "autograd/double_backward.h"
#include "autograd/functions/pointwise.h"
#include "autograd/functions/shape.h"
#include "tensor/pointwise.h"

namespace bevgrad::rule {

inline Tensor neg(const Tensor& x) {
  return is_recorded() ? bevgrad::neg(x) : ops::neg(x);
}
inline Tensor mul(const Tensor& a, const Tensor& b) {
  return is_recorded() ? bevgrad::mul(a, b) : ops::mul(a, b);
}
inline Tensor mul(const Tensor& a, double b) {
  return is_recorded() ? bevgrad::mul(a, b) : ops::mul(a, b);
}
inline Tensor div(const Tensor& a, const Tensor& b) {
  return is_recorded() ? bevgrad::div(a, b) : ops::div(a, b);
}
inline Tensor div(const Tensor& a, double b) {
  return is_recorded() ? bevgrad::div(a, b) : ops::div(a, b);
}
inline Tensor reshape(const Tensor& x, const Shape& sizes) {
  return is_recorded() ? bevgrad::reshape(x, sizes) : ops::reshape(x, sizes);
}
inline Tensor permute(const Tensor& x, const std::vector<int>& dims) {
  return is_recorded() ? bevgrad::permute(x, dims) : ops::permute(x, dims);
}
inline Tensor transpose(const Tensor& x, int dim0, int dim1) {
  return is_recorded() ? bevgrad::transpose(x, dim0, dim1) : ops::transpose(x, dim0, dim1);
}
inline Tensor squeeze(const Tensor& x, int dim) {
  return is_recorded() ? bevgrad::squeeze(x, dim) : ops::squeeze(x, dim);
}
inline Tensor expand(const Tensor& x, const Shape& sizes) {
  return is_recorded() ? bevgrad::expand(x, sizes) : ops::expand(x, sizes);
}
inline Tensor narrow(const Tensor& x, int dim, int64_t start, int64_t length) {
  return is_recorded() ? bevgrad::narrow(x, dim, start, length) : ops::narrow(x, dim, start, length);
}
inline Tensor select(const Tensor& x, int dim, int64_t index) {
  return is_recorded() ? bevgrad::select(x, dim, index) : ops::select(x, dim, index);
}
template <class Target>
Tensor to(const Tensor& x, Target target) {
  return is_recorded() ? bevgrad::to(x, target) : ops::to(x, target);
}

/// Throws where autocast computed the operation in another dtype than its input's.
inline void check_not_narrowed(const char* op, const Tensor& dy, DType of_input) {
  check(dy.dtype() == of_input, "double backward of {}: autocast computed it in {}; leave it out of autocast", op,
        name(dy.dtype()));
}

/// backward(dy, value) of a function that is straight between its kinks: its slope is a constant.
template <class Backward>
Tensor straight(const char* op, const Tensor& dy, const Tensor& value, const Backward& backward) {
  if (!is_recorded()) return pointwise::zip(op, dy, value, backward);
  const Tensor one = full({}, 1.0, {value.dtype(), {}, value.device()});
  return bevgrad::mul(dy, pointwise::zip(op, one, detach(value), backward));
}

}  // namespace bevgrad::rule
