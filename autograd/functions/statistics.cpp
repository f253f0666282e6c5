#include "autograd/functions/statistics.h"

#include <algorithm>
#include <cmath>

#include "autograd/functions/arrange.h"
#include "autograd/functions/elementary.h"
#include "autograd/functions/operators.h"
#include "autograd/functions/pointwise.h"
#include "autograd/functions/reduce.h"
#include "autograd/functions/shape.h"
#include "autograd/functions/where.h"
#include "functions/internal/float16.h"
#include "functions/internal/rule_ops.h"
#include "tensor/element.h"
#include "tensor/euclidean.h"
#include "tensor/functors.h"
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
    const T* from = x + o[1];
    if (step != 1) {
      double product = 1;
      for (int64_t i = 0; i < n; ++i) product *= static_cast<double>(load(from, i * step));
      store(y, o[0], static_cast<compute_t<T>>(product));
      return;
    }
    // Two vectors, so that a product need not wait for the one before.
    double product = 1, other = 1;
    const int64_t half = n / 2;
#pragma omp simd reduction(* : product, other)
    for (int64_t i = 0; i < half; ++i) {
      product *= static_cast<double>(load(from, i));
      other *= static_cast<double>(load(from + half, i));
    }
    if (n % 2) other *= static_cast<double>(load(from, n - 1));
    store(y, o[0], static_cast<compute_t<T>>(product * other));
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
    using One = std::integral_constant<int64_t, 1>;
    const auto factor = static_cast<double>(load(dy, o[2]));
    if (step_dx == 1 && step_x == 1) {
      line(dx + o[0], One{}, x + o[1], One{}, factor);
    } else {
      line(dx + o[0], step_dx, x + o[1], step_x, factor);
    }
  }

  template <class ToStep, class FromStep>
  BEVGRAD_HD void line(T* to, ToStep to_step, const T* from, FromStep from_step, double factor) const {
    double rest = 1, zeros = 0;  // the product of what is not 0
#pragma omp simd reduction(* : rest) reduction(+ : zeros)
    for (int64_t i = 0; i < n; ++i) {
      const auto v = static_cast<double>(load(from, i * from_step));
      rest *= v == 0 ? 1.0 : v;
      zeros += v == 0 ? 1.0 : 0.0;
    }
    const double product = factor * rest;
    // What cannot be divided out again is left out instead.
    const bool divides = rest != 0 && rest - rest == 0;
    if (divides && zeros == 0) {
#pragma omp simd
      for (int64_t i = 0; i < n; ++i)
        store(to, i * to_step, static_cast<compute_t<T>>(product / static_cast<double>(load(from, i * from_step))));
      return;
    }
    for (int64_t i = 0; i < n; ++i) {
      double slope = zeros == 1 && load(from, i * from_step) == 0 ? product : 0.0;
      if (!divides) {
        slope = factor;
        for (int64_t k = 0; k < n; ++k)
          if (k != i) slope *= static_cast<double>(load(from, k * from_step));
      }
      store(to, i * to_step, static_cast<compute_t<T>>(slope));
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

// a / b, and 0 where b is.
struct RatioOrZero {
  template <class T>
  BEVGRAD_HD T operator()(T a, T b) const {
    return b == T(0) ? T(0) : a / b;
  }
};

Tensor ratio_or_zero(const Tensor& a, const Tensor& b) {
  const TensorOptions like{b.dtype(), {}, b.device()};
  const Tensor none = eq(b, 0.0);
  return where(none, zeros({}, like), a / where(none, full({}, 1.0, like), b));
}

// A square root whose gradient at 0 is 0.
Tensor root(const char* op, const Tensor& x) {
  const OpScope scope(op);
  Tensor y = ops::sqrt(x);
  return record(op, y, {x}, twice([op, y_ = Saved(y)](const Tensor& dy, const NeedsGrad&) {
                  if (rule::is_recorded()) return Grads{ratio_or_zero(dy * 0.5, rule::result(y_.get()))};
                  return Grads{pointwise::zip(op, ops::mul(dy, 0.5), y_.get(), RatioOrZero{})};
                }));
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

// The sizes of what is left where `dims` were reduced.
Shape sizes_without(const char* op, const Tensor& x, const std::vector<int>& dims) {
  std::vector<int> axes;
  for (const int dim : dims) axes.push_back(wrap_dimension_or_scalar(op, dim, x.dim()));
  Shape left;
  for (int axis = 0; axis < x.dim(); ++axis)
    if (!axes.empty() && !std::count(axes.begin(), axes.end(), axis)) left.push_back(x.size(axis));
  return left;
}

// Its gradient at 0 is 0.
Tensor euclidean_norm(const Tensor& x, const std::vector<int>& dims, bool keep_dims) {
  const OpScope scope("norm");
  const Tensor kept = ops::root_of_squares(x, dims);
  const Tensor y = keep_dims ? kept : ops::reshape(kept, sizes_without("norm", x, dims));
  return record("norm", y, {x},
                twice([x_ = Saved(x), kept_ = Saved(kept), shown = y.sizes()](const Tensor& dy, const NeedsGrad&) {
                  const Tensor& kept = kept_.get();
                  const Tensor gradient = rule::reshape(dy, kept.sizes());
                  if (rule::is_recorded()) {
                    const Tensor y = reshape(rule::result(ops::reshape(kept, shown)), kept.sizes());
                    return Grads{rule::input(0, x_.get()) * ratio_or_zero(gradient, y)};
                  }
                  return Grads{ops::mul(x_.get(), pointwise::zip("norm", gradient, kept, RatioOrZero{}))};
                }));
}

// Equal magnitudes share the gradient.
Tensor largest_magnitude(const Tensor& x, const std::vector<int>& dims, bool keep_dims) {
  const OpScope scope("norm");
  // One dimension after the other: the largest of the largest.
  Tensor y = ops::abs(x);
  for (int axis = 0; axis < x.dim(); ++axis)
    if (dims.empty()) y = ops::max(y, axis, true);
  for (const int dim : dims)
    if (x.dim() > 0) y = ops::max(y, wrap_dimension("norm", dim, x.dim()), true);
  const Shape kept = y.sizes();
  const Tensor result = keep_dims ? y : ops::reshape(y, sizes_without("norm", x, dims));
  return record("norm", result, {x},
                twice([x_ = Saved(x), y_ = Saved(y), dims, kept](const Tensor& dy, const NeedsGrad&) {
                  const Tensor x = detach(x_.get());
                  const Tensor equal = ops::to(eq(ops::abs(x), y_.get()), x.dtype());
                  const Tensor share = rule::div(rule::reshape(dy, kept), ops::sum(equal, dims, true));
                  return Grads{rule::straight("norm", rule::mul(equal, share), x, functors::AbsBackward{})};
                }));
}

// In float64, which has the squares of what the other dtypes have.
Tensor wide_var(const char* op, const Tensor& x, const std::vector<int>& dims, double correction, bool keep_dims) {
  check(is_floating_point(x.dtype()), "{}: the input is {}, expected a floating-point tensor", op, describe(x));
  const double count = std::max(static_cast<double>(reduced_count(op, x, dims)) - correction, 0.0);
  const OpScope scope(op);
  const Tensor wide = ops::to(x, DType::Float64), centre = ops::mean(wide, dims, true);
  const Tensor deviation = ops::sub(wide, centre);
  const Tensor kept = ops::sum(ops::mul(deviation, deviation), dims, true);
  const Tensor y = ops::div(keep_dims ? kept : ops::sum(kept, dims), count);
  return record(op, y, {x},
                twice([x_ = Saved(x), centre, count, dims, kept = kept.sizes()](const Tensor& dy, const NeedsGrad&) {
                  const Tensor x = rule::input(0, x_.get()), gradient = rule::mul(rule::reshape(dy, kept), 2 / count);
                  if (rule::is_recorded()) {
                    const Tensor wide = to(x, DType::Float64);
                    return Grads{to((wide - mean(wide, dims, true)) * gradient, x.dtype())};
                  }
                  const DType dtype = x.dtype() == DType::Float64 ? DType::Float64 : DType::Float32;
                  const Tensor deviation = ops::sub(ops::to(x, dtype), ops::to(centre, dtype));
                  return Grads{ops::to(ops::mul(deviation, ops::to(gradient, dtype)), x.dtype())};
                }));
}

}  // namespace

namespace {

Tensor prod_backward(const Tensor& dy, const Tensor& x, int axis) {
  const Tensor dx = empty_like(x);
  const Tensor dx0 = ops::narrow(dx, axis, 0, 1), x0 = ops::narrow(x, axis, 0, 1);
  const Walk walk =
      plan_walk(dy.sizes(), {{dx0.sizes(), dx0.strides()}, {x0.sizes(), x0.strides()}, {dy.sizes(), dy.strides()}});
  dispatch_floating("prod", x.dtype(), [&]<class T>() {
    launch_elements<3>(x.device(), walk,
                       ProdLineBackward<T>{dx0.data<T>(), x0.data<const T>(), dy.data<const T>(), x.size(axis),
                                           dx.strides()[axis], x.strides()[axis]},
                       3 * x.size(axis));
  });
  return dx;
}

// At each place along the axis the product of what is at the others: zeros leave nothing to divide out.
Tensor products_of_others(const Tensor& x, int axis) {
  const int64_t n = x.size(axis);
  std::vector<Tensor> products;
  for (int64_t i = 0; i < n; ++i)
    products.push_back(prod(cat({narrow(x, axis, 0, i), narrow(x, axis, i + 1, n - i - 1)}, axis), axis, true));
  return cat(products, axis);
}

}  // namespace

Tensor prod(const Tensor& x) {
  tape::check_defined("prod", {{"x", x}});
  return prod(reshape(x, {x.numel()}), 0);
}

Tensor prod(const Tensor& x, int dim, bool keep_dims) {
  tape::check_defined("prod", {{"x", x}});
  if (is_float16(x)) return to(prod(in_float32(x), dim, keep_dims), DType::Float16);
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
  return record("prod", shown, {x}, twice([x_ = Saved(x), axis, kept = y.sizes()](const Tensor& dy, const NeedsGrad&) {
                  const Tensor gradient = rule::reshape(dy, kept);
                  if (rule::is_recorded()) return Grads{gradient * products_of_others(rule::input(0, x_.get()), axis)};
                  return Grads{prod_backward(gradient, x_.get(), axis)};
                }));
}

Tensor var(const Tensor& x, const std::vector<int>& dims, double correction, bool keep_dims) {
  tape::check_defined("var", {{"x", x}});
  return to(wide_var("var", x, dims, correction, keep_dims), x.dtype());
}

Tensor std(const Tensor& x, const std::vector<int>& dims, double correction, bool keep_dims) {
  tape::check_defined("std", {{"x", x}});
  return to(root("std", wide_var("std", x, dims, correction, keep_dims)), x.dtype());
}

Tensor norm(const Tensor& x, double p, const std::vector<int>& dims, bool keep_dims) {
  tape::check_defined("norm", {{"x", x}});
  check(p > 0, "norm: p is {}, expected a positive number", p);
  if (std::isinf(p) || x.numel() == 1) return largest_magnitude(x, dims, keep_dims);
  if (is_float16(x)) return to(norm(in_float32(x), p, dims, keep_dims), DType::Float16);
  if (p == 2) return euclidean_norm(x, dims, keep_dims);
  if (p == 1) return sum(abs(x), dims, keep_dims);
  return pow(sum(pow(abs(x), p), dims, keep_dims), 1 / p);
}

Tensor logsumexp(const Tensor& x, int dim, bool keep_dims) {
  tape::check_defined("logsumexp", {{"x", x}});
  // Of nothing it is the logarithm of 0, and there is no largest value.
  if (x.dim() > 0 && x.size(dim) == 0) return log(sum(exp(x), {dim}, keep_dims));
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
  const int axis = wrap_dimension_or_scalar("cumsum", dim, x.dim());
  if (x.dim() == 0) return clone(x);
  const OpScope scope("cumsum");
  return record("cumsum", running_sum(x, axis, false), {x}, twice([axis](const Tensor& dy, const NeedsGrad&) {
                  if (rule::is_recorded()) return Grads{flip(cumsum(flip(dy, {axis}), axis), {axis})};
                  return Grads{running_sum(dy, axis, true)};
                }));
}

}  // namespace bevgrad
