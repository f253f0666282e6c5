// Arithmetic on plain tensors, never recorded: what backward rules, the optimizer and data code are written with.
// The differentiable functions of the same names are in autograd/. On a tensor that requires a gradient these throw
// while operations are recorded, outside an OpScope and a backward rule: the result would be cut off from the tape.
//
// Shapes broadcast as in NumPy. Inputs of one call share dtype and device unless a comment says otherwise. A 4-D result
// is channels-last where its first input is. Functions that end in an underscore write their first argument in place
// and bump its version.
#pragma once
#include <utility>
#include <vector>

#include "tensor/tensor.h"

namespace bevgrad::ops {

// ---- Views: the result shares memory with `x`.
/// New sizes over the same elements; one size may be -1. Throws where the strides do not allow a view.
Tensor view(const Tensor& x, Shape sizes);
Tensor permute(const Tensor& x, const std::vector<int>& dims);
Tensor transpose(const Tensor& x, int dim0, int dim1);
/// Elements [start, start+length) of one dimension.
Tensor narrow(const Tensor& x, int dim, int64_t start, int64_t length);
/// One index of a dimension, which disappears; negative counts from the end.
Tensor select(const Tensor& x, int dim, int64_t index);
Tensor unsqueeze(const Tensor& x, int dim);
/// `x` as it is where the dimension's size is not 1.
Tensor squeeze(const Tensor& x, int dim);
/// Broadcast view (stride 0).
Tensor expand(const Tensor& x, const Shape& sizes);

// ---- Copies.
Tensor clone(const Tensor& x);
/// `x` itself where it is dense in that format already, else a copy.
Tensor contiguous(const Tensor& x, MemoryFormat format = MemoryFormat::Contiguous);
/// A view where the strides allow it, else a copy.
Tensor reshape(const Tensor& x, Shape sizes);
/// Conversion; `x` itself where the dtype is the same already.
Tensor to(const Tensor& x, DType dtype);
/// On that device; `x` itself where it is there already. Copies to the host wait, copies to a device are queued.
Tensor to(const Tensor& x, Device device);
/// Copies (and converts) `source`, broadcast, into `target`; they may lie on different devices.
void copy_(const Tensor& target, const Tensor& source);
void fill_(const Tensor& target, double value);
/// Tensors of sizes [0] count as nothing.
Tensor cat(const std::vector<Tensor>& tensors, int dim);
Tensor stack(const std::vector<Tensor>& tensors, int dim);

// ---- Per element.
Tensor add(const Tensor& a, const Tensor& b);
Tensor sub(const Tensor& a, const Tensor& b);
Tensor mul(const Tensor& a, const Tensor& b);
Tensor div(const Tensor& a, const Tensor& b);
Tensor add(const Tensor& a, double b);
Tensor sub(const Tensor& a, double b);
Tensor mul(const Tensor& a, double b);
Tensor div(const Tensor& a, double b);
Tensor neg(const Tensor& x);
Tensor exp(const Tensor& x);
Tensor log(const Tensor& x);
Tensor sqrt(const Tensor& x);
Tensor abs(const Tensor& x);
Tensor relu(const Tensor& x);
Tensor sigmoid(const Tensor& x);
/// Values below `low` become `low`, above `high` `high`; NaN stays NaN.
Tensor clamp(const Tensor& x, double low, double high);
/// target += alpha * source (same shape, or source broadcasts to it).
void add_(const Tensor& target, const Tensor& source, double alpha = 1.0);
/// target *= source, which broadcasts to it.
void mul_(const Tensor& target, const Tensor& source);
void mul_(const Tensor& target, double factor);

// ---- Reductions. float32 and bfloat16 sums are accumulated in double per chunk of fixed size, so the result does not
// depend on the number of threads. No dimension named means all of them; a zero-dimensional tensor has dimension 0 (and
// -1) of size 1; the mean of nothing is NaN.
Tensor sum(const Tensor& x);
Tensor sum(const Tensor& x, const std::vector<int>& dims, bool keep_dims = false);
Tensor mean(const Tensor& x);
Tensor mean(const Tensor& x, const std::vector<int>& dims, bool keep_dims = false);
Tensor max(const Tensor& x, int dim, bool keep_dims = false);
/// The maximum along `dim` and where it stands (int64; the first one of equals).
std::pair<Tensor, Tensor> max_with_index(const Tensor& x, int dim, bool keep_dims = false);
/// Sum of squares in float64, as a number. It and all_finite may be asked of any tensor: a number cuts no tape.
double sum_of_squares(const Tensor& x);
bool all_finite(const Tensor& x);
/// Sums the broadcast dimensions away, so that the result has `sizes`; `x` itself where it has them already.
Tensor sum_to(const Tensor& x, const Shape& sizes);

/// a [.., m, k] x b [k, n] -> [.., m, n]; transposes are taken as flags, not copied.
Tensor matmul(const Tensor& a, const Tensor& b, bool transpose_a = false, bool transpose_b = false);

}  // namespace bevgrad::ops
