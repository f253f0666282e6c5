#include "autograd/functions/shape.h"

namespace bevgrad {

Tensor reshape(const Tensor& x, const Shape& sizes) {
  return record("reshape", ops::reshape(x, sizes), {x},
                [from = x.sizes()](const Tensor& dy, const NeedsGrad&) { return Grads{ops::reshape(dy, from)}; });
}

Tensor permute(const Tensor& x, const std::vector<int>& dims) {
  Tensor y = ops::permute(x, dims);
  std::vector<int> inverse(dims.size());
  for (size_t i = 0; i < dims.size(); ++i) inverse[dims[i] < 0 ? dims[i] + x.dim() : dims[i]] = static_cast<int>(i);
  return record("permute", std::move(y), {x},
                [inverse](const Tensor& dy, const NeedsGrad&) { return Grads{ops::permute(dy, inverse)}; });
}

Tensor transpose(const Tensor& x, int dim0, int dim1) {
  return record("transpose", ops::transpose(x, dim0, dim1), {x},
                [dim0, dim1](const Tensor& dy, const NeedsGrad&) { return Grads{ops::transpose(dy, dim0, dim1)}; });
}

Tensor narrow(const Tensor& x, int dim, int64_t start, int64_t length) {
  return record(
      "narrow", ops::narrow(x, dim, start, length), {x},
      [dim, start, length, sizes = x.sizes(), format = x.suggested_format()](const Tensor& dy, const NeedsGrad&) {
        Tensor dx = zeros(sizes, {dy.dtype(), format, dy.device()});
        ops::copy_(ops::narrow(dx, dim, start, length), dy);
        return Grads{dx};
      });
}

Tensor select(const Tensor& x, int dim, int64_t index) {
  check(dim >= -x.dim() && dim < x.dim(), "select: dimension {} is out of range for a tensor of rank {}", dim, x.dim());
  check(index >= 0 && index < x.size(dim), "select: index {} is not within dimension {} of {}", index, dim,
        to_string(x.sizes()));
  return squeeze(narrow(x, dim, index, 1), dim < 0 ? dim + x.dim() : dim);
}

Tensor unsqueeze(const Tensor& x, int dim) {
  return record("unsqueeze", ops::unsqueeze(x, dim), {x},
                [dim](const Tensor& dy, const NeedsGrad&) { return Grads{ops::squeeze(dy, dim)}; });
}

Tensor squeeze(const Tensor& x, int dim) {
  return record("squeeze", ops::squeeze(x, dim), {x},
                [dim](const Tensor& dy, const NeedsGrad&) { return Grads{ops::unsqueeze(dy, dim)}; });
}

Tensor expand(const Tensor& x, const Shape& sizes) {
  return record("expand", ops::expand(x, sizes), {x}, [](const Tensor& dy, const NeedsGrad&) { return Grads{dy}; });
}

Tensor cat(const std::vector<Tensor>& tensors, int dim) {
  Tensor y = ops::cat(tensors, dim);
  std::vector<int64_t> lengths;
  for (const Tensor& x : tensors) lengths.push_back(x.size(dim));
  return record("cat", std::move(y), tensors, [dim, lengths](const Tensor& dy, const NeedsGrad& needs) {
    Grads grads(lengths.size());
    int64_t start = 0;
    for (size_t i = 0; i < lengths.size(); ++i) {
      if (needs[i]) grads[i] = ops::narrow(dy, dim, start, lengths[i]);
      start += lengths[i];
    }
    return grads;
  });
}

Tensor stack(const std::vector<Tensor>& tensors, int dim) {
  return record("stack", ops::stack(tensors, dim), tensors,
                [dim, count = tensors.size()](const Tensor& dy, const NeedsGrad& needs) {
                  Grads grads(count);
                  for (size_t i = 0; i < count; ++i)
                    if (needs[i]) grads[i] = ops::select(dy, dim, static_cast<int64_t>(i));
                  return grads;
                });
}

Tensor to(const Tensor& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  if (!is_floating_point(x.dtype()) || !is_floating_point(dtype)) return ops::to(x, dtype);
  return record("to", ops::to(x, dtype), {x},
                [from = x.dtype()](const Tensor& dy, const NeedsGrad&) { return Grads{ops::to(dy, from)}; });
}

Tensor contiguous(const Tensor& x, MemoryFormat format) {
  if (x.is_contiguous(format)) return x;
  return record("contiguous", ops::contiguous(x, format), {x},
                [](const Tensor& dy, const NeedsGrad&) { return Grads{dy}; });
}

}  // namespace bevgrad
