// Joining tensors.
#include "tensor/ops.h"

namespace bevgrad::ops {

Tensor cat(const std::vector<Tensor>& tensors, int dim) {
  check(!tensors.empty(), "cat: no tensors were given");
  const Tensor& first = tensors.front();
  const int rank = first.dim();
  const int axis = dim < 0 ? dim + rank : dim;
  check(axis >= 0 && axis < rank, "cat: dimension {} is out of range for a tensor of rank {}", dim, rank);
  Shape sizes = first.sizes();
  sizes[axis] = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& x = tensors[i];
    check(x.dtype() == first.dtype() && x.device() == first.device(), "cat: input {} is {}, input 0 {}", i, describe(x),
          describe(first));
    bool fits = x.dim() == rank;
    for (int d = 0; fits && d < rank; ++d) fits = d == axis || x.sizes()[d] == first.sizes()[d];
    check(fits, "cat: input {} {} does not fit input 0 {} along dimension {}", i, to_string(x.sizes()),
          to_string(first.sizes()), axis);
    sizes[axis] += x.sizes()[axis];
  }
  // A tensor of one channel or one pixel is dense in both formats: let the others decide.
  MemoryFormat format = MemoryFormat::Contiguous;
  for (const Tensor& x : tensors)
    if (x.suggested_format() == MemoryFormat::ChannelsLast) format = MemoryFormat::ChannelsLast;
  Tensor result = empty(sizes, {first.dtype(), format, first.device()});
  int64_t start = 0;
  for (const Tensor& x : tensors) {
    copy_(narrow(result, axis, start, x.sizes()[axis]), x);
    start += x.sizes()[axis];
  }
  return result;
}

Tensor stack(const std::vector<Tensor>& tensors, int dim) {
  check(!tensors.empty(), "stack: no tensors were given");
  std::vector<Tensor> unsqueezed;
  for (const Tensor& x : tensors) {
    check(x.sizes() == tensors.front().sizes(), "stack: shapes {} and {} differ", to_string(tensors.front().sizes()),
          to_string(x.sizes()));
    unsqueezed.push_back(unsqueeze(x, dim));
  }
  return cat(unsqueezed, dim);
}

}  // namespace bevgrad::ops
