#include "autograd/functions/reduce.h"

#include <numeric>

#include "tensor/walk.h"

namespace bevgrad {
namespace {

// Sizes with 1 in place of the reduced dimensions.
Shape kept_sizes(const Tensor& x, const std::vector<int>& dims) {
  Shape sizes = x.sizes();
  for (int dim : dims) sizes[dim < 0 ? dim + x.dim() : dim] = 1;
  return sizes;
}

std::vector<int> all_dims(const Tensor& x) {
  std::vector<int> dims(static_cast<size_t>(x.dim()));
  std::iota(dims.begin(), dims.end(), 0);
  return dims;
}

// dx of a maximum: dy where the index says so, 0 elsewhere.
Tensor place_at(const Tensor& dy, const Tensor& index, const Shape& sizes, int axis) {
  Tensor dx = zeros(sizes, {dy.dtype(), {}, dy.device()});
  const Tensor first = ops::narrow(dx, axis, 0, 1);
  const int64_t step = dx.strides()[axis];
  dispatch_floating("max", dy.dtype(), [&]<class T>() {
    T* out = first.data<T>();
    const T* in = dy.data<T>();
    const int64_t* where = index.data<int64_t>();
    const Walk walk =
        plan_walk(first.sizes(),
                  {{first.sizes(), first.strides()}, {dy.sizes(), dy.strides()}, {index.sizes(), index.strides()}});
    for_each_row<3>(walk, [&](const std::array<int64_t, 3>& o, int64_t n) {
      for (int64_t i = 0; i < n; ++i)
        out[o[0] + i * walk.inner(0) + where[o[2] + i * walk.inner(2)] * step] = in[o[1] + i * walk.inner(1)];
    });
  });
  return dx;
}

}  // namespace

Tensor sum(const Tensor& x) {
  return sum(x, all_dims(x));
}

Tensor sum(const Tensor& x, const std::vector<int>& dims, bool keep_dims) {
  Tensor y = ops::sum(x, dims, keep_dims);
  return record("sum", std::move(y), {x},
                [from = x.sizes(), kept = kept_sizes(x, dims)](const Tensor& dy, const NeedsGrad&) {
                  return Grads{ops::expand(ops::reshape(dy, kept), from)};
                });
}

Tensor mean(const Tensor& x) {
  check(x.numel() > 0, "mean: {} is empty", describe(x));
  return mean(x, all_dims(x));
}

Tensor mean(const Tensor& x, const std::vector<int>& dims, bool keep_dims) {
  Tensor y = ops::mean(x, dims, keep_dims);
  const double count = static_cast<double>(x.numel()) / static_cast<double>(std::max<int64_t>(1, y.numel()));
  return record("mean", std::move(y), {x},
                [from = x.sizes(), kept = kept_sizes(x, dims), count](const Tensor& dy, const NeedsGrad&) {
                  return Grads{ops::expand(ops::reshape(ops::div(dy, count), kept), from)};
                });
}

Tensor max(const Tensor& x, int dim, bool keep_dims) {
  auto [values, index] = ops::max_with_index(x, dim, true);
  const int axis = dim < 0 ? dim + x.dim() : dim;
  Tensor y = keep_dims ? values : ops::squeeze(values, axis);
  return record(
      "max", std::move(y), {x},
      [index_ = Saved(index), from = x.sizes(), kept = values.sizes(), axis](const Tensor& dy, const NeedsGrad&) {
        return Grads{place_at(ops::reshape(dy, kept), index_.get(), from, axis)};
      });
}

}  // namespace bevgrad
