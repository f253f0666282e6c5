#include "autograd/functions/shape.h"

#include <algorithm>

#include "functions/internal/rule_ops.h"
#include "internal/remake.h"

namespace bevgrad {

Tensor reshape(const Tensor& x, const Shape& sizes) {
  const OpScope scope("reshape", {{"x", x}});
  return record("reshape", ops::reshape(x, sizes), {x}, twice([from = x.sizes()](const Tensor& dy, const NeedsGrad&) {
                  return Grads{rule::reshape(dy, from)};
                }));
}

Tensor permute(const Tensor& x, const std::vector<int>& dims) {
  const OpScope scope("permute", {{"x", x}});
  Tensor y = ops::permute(x, dims);
  std::vector<int> inverse(dims.size());
  for (size_t i = 0; i < dims.size(); ++i) inverse[dims[i] < 0 ? dims[i] + x.dim() : dims[i]] = static_cast<int>(i);
  return record("permute", std::move(y), {x},
                twice([inverse](const Tensor& dy, const NeedsGrad&) { return Grads{rule::permute(dy, inverse)}; }));
}

Tensor transpose(const Tensor& x, int dim0, int dim1) {
  const OpScope scope("transpose", {{"x", x}});
  return record(
      "transpose", ops::transpose(x, dim0, dim1), {x},
      twice([dim0, dim1](const Tensor& dy, const NeedsGrad&) { return Grads{rule::transpose(dy, dim0, dim1)}; }));
}

Tensor narrow(const Tensor& x, int dim, int64_t start, int64_t length) {
  const OpScope scope("narrow", {{"x", x}});
  return record_view("narrow", x, [=](const Tensor& whole) { return ops::narrow(whole, dim, start, length); });
}

Tensor select(const Tensor& x, int dim, int64_t index) {
  const OpScope scope("select", {{"x", x}});
  return record_view("select", x, [=](const Tensor& whole) { return ops::select(whole, dim, index); });
}

Tensor unsqueeze(const Tensor& x, int dim) {
  const OpScope scope("unsqueeze", {{"x", x}});
  return record("unsqueeze", ops::unsqueeze(x, dim), {x},
                twice([dim](const Tensor& dy, const NeedsGrad&) { return Grads{rule::squeeze(dy, dim)}; }));
}

Tensor squeeze(const Tensor& x, int dim) {
  const OpScope scope("squeeze", {{"x", x}});
  return record("squeeze", ops::squeeze(x, dim), {x}, twice([from = x.sizes()](const Tensor& dy, const NeedsGrad&) {
                  return Grads{rule::reshape(dy, from)};
                }));
}

Tensor expand(const Tensor& x, const Shape& sizes) {
  const OpScope scope("expand", {{"x", x}});
  return record("expand", ops::expand(x, sizes), {x},
                twice([](const Tensor& dy, const NeedsGrad&) { return Grads{dy}; }));
}

Tensor cat(const std::vector<Tensor>& tensors, int dim) {
  const OpScope scope("cat");
  Tensor y = ops::cat(tensors, dim);
  // Where each input lies in the result; the length is -1 for one that is nothing there (of sizes [0]).
  std::vector<int64_t> lengths;
  for (const Tensor& x : tensors) lengths.push_back(x.dim() == y.dim() ? x.size(dim) : -1);
  y = record("cat", std::move(y), tensors, twice([dim, lengths](const Tensor& dy, const NeedsGrad& needs) {
               Grads grads(lengths.size());
               int64_t start = 0;
               for (size_t i = 0; i < lengths.size(); ++i) {
                 if (needs[i])
                   grads[i] = lengths[i] < 0 ? zeros({0}, {dy.dtype(), {}, dy.device()})
                                             : rule::narrow(dy, dim, start, lengths[i]);
                 start += std::max<int64_t>(lengths[i], 0);
               }
               return grads;
             }));
  tape::set_remake(y, [dim, parts = std::vector<tape::KeptInput>(tensors.begin(), tensors.end())] {
    std::vector<Tensor> again;
    for (const tape::KeptInput& part : parts) again.push_back(part.get());
    return ops::cat(again, dim);
  });
  return y;
}

Tensor stack(const std::vector<Tensor>& tensors, int dim) {
  const OpScope scope("stack");
  for (size_t i = 0; i < tensors.size(); ++i) check(tensors[i].defined(), "stack: input {} is undefined", i);
  return record("stack", ops::stack(tensors, dim), tensors,
                twice([dim, count = tensors.size()](const Tensor& dy, const NeedsGrad& needs) {
                  Grads grads(count);
                  for (size_t i = 0; i < count; ++i)
                    if (needs[i]) grads[i] = rule::select(dy, dim, static_cast<int64_t>(i));
                  return grads;
                }));
}

Tensor to(const Tensor& x, DType dtype) {
  const OpScope scope("to", {{"x", x}});
  if (x.dtype() == dtype) return x;
  if (!is_floating_point(x.dtype()) || !is_floating_point(dtype)) return ops::to(detach(x), dtype);
  return record("to", ops::to(x, dtype), {x},
                twice([from = x.dtype()](const Tensor& dy, const NeedsGrad&) { return Grads{rule::to(dy, from)}; }));
}

Tensor to(const Tensor& x, Device device) {
  const OpScope scope("to", {{"x", x}});
  if (x.device() == device) return x;
  return record("to", ops::to(x, device), {x},
                twice([from = x.device()](const Tensor& dy, const NeedsGrad&) { return Grads{rule::to(dy, from)}; }));
}

Tensor clone(const Tensor& x) {
  const OpScope scope("clone", {{"x", x}});
  return record("clone", ops::clone(x), {x}, twice([](const Tensor& dy, const NeedsGrad&) { return Grads{dy}; }));
}

Tensor contiguous(const Tensor& x, MemoryFormat format) {
  const OpScope scope("contiguous", {{"x", x}});
  if (x.is_contiguous(format)) return x;
  return record("contiguous", ops::contiguous(x, format), {x},
                twice([](const Tensor& dy, const NeedsGrad&) { return Grads{dy}; }));
}

}  // namespace bevgrad
