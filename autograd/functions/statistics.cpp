#include "autograd/functions/statistics.h"

#include <algorithm>
#include <cmath>

#include "autograd/functions/elementary.h"
#include "autograd/functions/pointwise.h"
#include "autograd/functions/reduce.h"
#include "autograd/functions/shape.h"
#include "autograd/functions/where.h"
#include "tensor/element.h"
#include "tensor/extremes.h"
#include "tensor/pointwise.h"
#include "tensor/walk.h"

namespace bevgrad {
namespace {

// Lines along one dimension of x, written to y: offsets of a line's first element in y and x.
template <class T>
struct ProdLine {
  T* y;
  const T* x;
  int64_t n, step;
  BEVGRAD_HD void operator()(const std::array<int64_t, 2>& o) const {
    double product = 1;
    for (int64_t i = 0; i < n; ++i) product *= static_cast<double>(load(x + o[1], i * step));
    store(y, o[0], static_cast<compute_t<T>>(product));
  }
};

// dx[i] = dy times the product of the others. Offsets in dx, x and dy.
template <class T>
struct ProdLineBackward {
  T* dx;
  const T* x;
  const T* dy;
  int64_t n, step_dx, step_x;
  BEVGRAD_HD void operator()(const std::array<int64_t, 3>& o) const {
    double rest = 1;  // of what is not 0
    int64_t zeros = 0;
    for (int64_t i = 0; i < n; ++i) {
      const auto v = static_cast<double>(load(x + o[1], i * step_x));
      if (v == 0) {
        ++zeros;
      } else {
        rest *= v;
      }
    }
    const double gradient = static_cast<double>(load(dy, o[2])) * rest;
    for (int64_t i = 0; i < n; ++i) {
      const auto v = static_cast<double>(load(x + o[1], i * step_x));
      const double slope = zeros == 0 ? gradient / v : (zeros == 1 && v == 0 ? gradient : 0.0);
      store(dx + o[0], i * step_dx, static_cast<compute_t<T>>(slope));
    }
  }
};

// Integers add up on 64 bits without a sign, where overflow is defined.
template <class T>
struct CumsumLine {
  using Total = std::conditional_t<std::is_integral_v<T>, uint64_t, double>;
  T* y;
  const T* x;
  int64_t n, step_y, step_x;
  bool from_end;
  BEVGRAD_HD void operator()(const std::array<int64_t, 2>& o) const {
    Total total = 0;
    for (int64_t k = 0; k < n; ++k) {
      const int64_t i = from_end ? n - 1 - k : k;
      total += static_cast<Total>(load(x + o[1], i * step_x));
      store(y + o[0], i * step_y, static_cast<compute_t<T>>(total));
    }
  }
};

Tensor running_sum(const Tensor& x, int axis, bool from_end) {
  Tensor y = empty_like(x);
  if (x.numel() == 0) return y;
  const Tensor y0 = ops::narrow(y, axis, 0, 1), x0 = ops::narrow(x, axis, 0, 1);
  const Walk walk = plan_walk(y0.sizes(), {{y0.sizes(), y0.strides()}, {x0.sizes(), x0.strides()}});
  dispatch_all(x.dtype(), [&]<class T>() {
    launch_elements<2>(
        x.device(), walk,
        CumsumLine<T>{y0.data<T>(), x0.data<const T>(), x.size(axis), y.strides()[axis], x.strides()[axis], from_end},
        2 * x.size(axis));
  });
  return y;
}

struct RootBackward {
  template <class T>
  BEVGRAD_HD T operator()(T dy, T y) const {
    return y == T(0) ? T(0) : dy / (y + y);
  }
};

// A square root whose gradient at 0 is 0.
Tensor root(const char* op, const Tensor& x) {
  const OpScope scope(op);
  Tensor y = ops::sqrt(x);
  return record(op, y, {x}, [op, y_ = Saved(y)](const Tensor& dy, const NeedsGrad&) {
    return Grads{pointwise::zip(op, dy, y_.get(), RootBackward{})};
  });
}

int64_t reduced_count(const char* op, const Tensor& x, const std::vector<int>& dims) {
  if (dims.empty()) return x.numel();
  int64_t count = 1;
  for (const int dim : dims) {
    const int axis = wrap_dimension_or_scalar(op, dim, x.dim());
    if (x.dim() > 0) count *= x.size(axis);
  }
  return count;
}

}  // namespace

Tensor min(const Tensor& x, int dim, bool keep_dims) {
  tape::check_defined("min", {{"x", x}});
  if (!is_floating_point(x.dtype())) return ops::min_with_index(x, dim, keep_dims).first;
  return neg(max(neg(x), dim, keep_dims));
}

Tensor prod(const Tensor& x) {
  tape::check_defined("prod", {{"x", x}});
  return prod(reshape(x, {x.numel()}), 0);
}

Tensor prod(const Tensor& x, int dim, bool keep_dims) {
  tape::check_defined("prod", {{"x", x}});
  if (x.dim() == 0) return squeeze(prod(unsqueeze(x, 0), dim, true), 0);
  const int axis = wrap_dimension("prod", dim, x.dim());
  if (x.size(axis) == 0) {
    Shape sizes = x.sizes();
    sizes[axis] = 1;
    const Tensor one = add(expand(sum(x, {axis}, true), sizes), 1.0);
    return keep_dims ? one : squeeze(one, axis);
  }
  const OpScope scope("prod");
  const Tensor x0 = ops::narrow(x, axis, 0, 1);
  Tensor y = empty(x0.sizes(), {x.dtype(), x.suggested_format(), x.device()});
  const Walk walk = plan_walk(y.sizes(), {{y.sizes(), y.strides()}, {x0.sizes(), x0.strides()}});
  dispatch_floating("prod", x.dtype(), [&]<class T>() {
    launch_elements<2>(x.device(), walk, ProdLine<T>{y.data<T>(), x0.data<const T>(), x.size(axis), x.strides()[axis]},
                       x.size(axis));
  });
  const Tensor shown = keep_dims ? y : ops::select(y, axis, 0);
  return record("prod", shown, {x}, [x_ = Saved(x), axis, kept = y.sizes()](const Tensor& dy, const NeedsGrad&) {
    const Tensor& x = x_.get();
    const Tensor dx = empty_like(x), gradient = ops::reshape(dy, kept);
    const Tensor dx0 = ops::narrow(dx, axis, 0, 1), x0 = ops::narrow(x, axis, 0, 1);
    const Walk walk = plan_walk(
        kept, {{dx0.sizes(), dx0.strides()}, {x0.sizes(), x0.strides()}, {gradient.sizes(), gradient.strides()}});
    dispatch_floating("prod", x.dtype(), [&]<class T>() {
      launch_elements<3>(x.device(), walk,
                         ProdLineBackward<T>{dx0.data<T>(), x0.data<const T>(), gradient.data<const T>(), x.size(axis),
                                             dx.strides()[axis], x.strides()[axis]},
                         3 * x.size(axis));
    });
    return Grads{dx};
  });
}

Tensor var(const Tensor& x, const std::vector<int>& dims, double correction, bool keep_dims) {
  tape::check_defined("var", {{"x", x}});
  const double count = static_cast<double>(reduced_count("var", x, dims)) - correction;
  const Tensor deviation = sub(x, mean(x, dims, true));
  return div(sum(mul(deviation, deviation), dims, keep_dims), std::max(count, 0.0));
}

Tensor std(const Tensor& x, const std::vector<int>& dims, double correction, bool keep_dims) {
  return root("std", var(x, dims, correction, keep_dims));
}

Tensor norm(const Tensor& x, double p, const std::vector<int>& dims, bool keep_dims) {
  tape::check_defined("norm", {{"x", x}});
  check(p > 0, "norm: p is {}, expected a positive number", p);
  if (p == 2) return root("norm", sum(mul(x, x), dims, keep_dims));
  if (p == 1) return sum(abs(x), dims, keep_dims);
  if (std::isinf(p)) {
    // One dimension after the other: the largest of the largest.
    Tensor y = abs(x);
    std::vector<int> axes = dims;
    if (axes.empty()) {
      y = reshape(y, {y.numel()});
      axes = {0};
      keep_dims = keep_dims && x.dim() <= 1;
    }
    std::vector<int> wrapped;
    for (const int dim : axes) wrapped.push_back(wrap_dimension_or_scalar("norm", dim, y.dim()));
    std::sort(wrapped.rbegin(), wrapped.rend());
    for (const int axis : wrapped) y = max(y, axis, keep_dims);
    return y;
  }
  return pow(sum(pow(abs(x), p), dims, keep_dims), 1 / p);
}

Tensor logsumexp(const Tensor& x, int dim, bool keep_dims) {
  tape::check_defined("logsumexp", {{"x", x}});
  // The largest value is a constant that cancels; where it is infinite, 0 does as well.
  Tensor largest;
  {
    const NoGradGuard no_grad;
    largest = max(x, dim, true);
    largest = masked_fill(largest, eq(abs(largest), INFINITY), 0.0);
  }
  const Tensor kept = add(log(sum(exp(sub(x, largest)), {dim}, true)), largest);
  if (keep_dims || x.dim() == 0) return kept;
  return squeeze(kept, dim);
}

Tensor cumsum(const Tensor& x, int dim) {
  tape::check_defined("cumsum", {{"x", x}});
  if (!is_floating_point(x.dtype()) && x.dtype() != DType::Int64) return cumsum(ops::to(x, DType::Int64), dim);
  if (x.dim() == 0) return clone(x);
  const OpScope scope("cumsum");
  const int axis = wrap_dimension("cumsum", dim, x.dim());
  return record("cumsum", running_sum(x, axis, false), {x},
                [axis](const Tensor& dy, const NeedsGrad&) { return Grads{running_sum(dy, axis, true)}; });
}

}  // namespace bevgrad
