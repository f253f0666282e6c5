#include "autograd/functions/reduce.h"

#include "autograd/functions/indexing.h"
#include "autograd/functions/shape.h"
#include "autograd/functions/statistics.h"
#include "functions/internal/rule_ops.h"

#include "tensor/extremes.h"
#include "tensor/walk.h"

namespace bevgrad {
namespace {

// Sizes with 1 in place of the reduced dimensions: all where none is named.
Shape kept_sizes(const Tensor& x, const std::vector<int>& dims) {
  if (x.dim() == 0 || dims.empty()) return Shape(x.sizes().size(), 1);
  Shape sizes = x.sizes();
  for (int dim : dims) sizes[dim < 0 ? dim + x.dim() : dim] = 1;
  return sizes;
}

// One element of dy into its place: offsets into out, dy and index.
template <class T>
struct PlaceAt {
  T* out;
  const T* dy;
  const int64_t* index;
  int64_t step;  // between neighbours of `out` along the reduced dimension

  BEVGRAD_HD void operator()(const std::array<int64_t, 3>& o) const { out[o[0] + index[o[2]] * step] = dy[o[1]]; }
};

// dx of an extreme value: dy where the index says so, 0 elsewhere.
Tensor place_at(const Tensor& dy, const Tensor& index, const Shape& sizes, int axis) {
  Tensor dx = zeros(sizes, {dy.dtype(), {}, dy.device()});
  const Tensor first = ops::narrow(dx, axis, 0, 1);
  const int64_t step = dx.strides()[axis];
  dispatch_all(dy.dtype(), [&]<class T>() {
    const Walk walk =
        plan_walk(first.sizes(),
                  {{first.sizes(), first.strides()}, {dy.sizes(), dy.strides()}, {index.sizes(), index.strides()}});
    launch_elements<3>(dy.device(), walk, PlaceAt<T>{first.data<T>(), dy.data<T>(), index.data<int64_t>(), step});
  });
  return dx;
}

Tensor extreme(const char* op, std::pair<Tensor, Tensor> (*with_index)(const Tensor&, int, bool), const Tensor& x,
               int dim, bool keep_dims) {
  tape::check_defined(op, {{"x", x}});
  if (x.dim() == 0) return squeeze(extreme(op, with_index, unsqueeze(x, 0), dim, true), 0);
  const int axis = wrap_dimension(op, dim, x.dim());
  const OpScope scope(op);
  auto [values, index] = with_index(x, axis, true);
  Tensor y = keep_dims ? values : ops::squeeze(values, axis);
  return record(
      op, std::move(y), {x},
      twice([index_ = Saved(index), from = x.sizes(), kept = values.sizes(), axis](const Tensor& dy, const NeedsGrad&) {
        const Tensor gradient = rule::reshape(dy, kept);
        if (rule::is_recorded())
          return Grads{scatter_add(zeros(from, {dy.dtype(), {}, dy.device()}), axis, index_.get(), gradient)};
        return Grads{place_at(gradient, index_.get(), from, axis)};
      }));
}

}  // namespace

Tensor sum(const Tensor& x) {
  return sum(x, {});
}

Tensor sum(const Tensor& x, const std::vector<int>& dims, bool keep_dims) {
  const OpScope scope("sum", {{"x", x}});
  Tensor y = ops::sum(x, dims, keep_dims);
  return record("sum", std::move(y), {x},
                twice([from = x.sizes(), kept = kept_sizes(x, dims)](const Tensor& dy, const NeedsGrad&) {
                  return Grads{rule::expand(rule::reshape(dy, kept), from)};
                }));
}

Tensor mean(const Tensor& x) {
  return mean(x, {});
}

Tensor mean(const Tensor& x, const std::vector<int>& dims, bool keep_dims) {
  const OpScope scope("mean", {{"x", x}});
  Tensor y = ops::mean(x, dims, keep_dims);
  const double count = static_cast<double>(x.numel()) / static_cast<double>(std::max<int64_t>(1, y.numel()));
  return record("mean", std::move(y), {x},
                twice([from = x.sizes(), kept = kept_sizes(x, dims), count](const Tensor& dy, const NeedsGrad&) {
                  return Grads{rule::expand(rule::reshape(rule::div(dy, count), kept), from)};
                }));
}

Tensor max(const Tensor& x, int dim, bool keep_dims) {
  return extreme("max", ops::max_with_index, x, dim, keep_dims);
}

Tensor min(const Tensor& x, int dim, bool keep_dims) {
  return extreme("min", ops::min_with_index, x, dim, keep_dims);
}

}  // namespace bevgrad
