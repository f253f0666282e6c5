#include "autograd/functions/layer_norm.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "autograd/functions/elementary.h"
#include "autograd/functions/pointwise.h"
#include "autograd/functions/reduce.h"
#include "autograd/functions/shape.h"
#include "functions/internal/float16.h"
#include "tensor/element.h"
#include "tensor/launch.h"

namespace bevgrad {
namespace {

// One index is one row of n elements.
template <class T>
struct NormaliseRow {
  T* y;
  const T* x;
  double* inv_std;
  int64_t n;
  double eps;

  BEVGRAD_HD void operator()(int64_t row) const {
    using R = compute_t<T>;
    const T* in = x + row * n;
    T* out = y + row * n;
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(load(in, i));
    const double mean = sum / static_cast<double>(n);
    double squares = 0;
#pragma omp simd reduction(+ : squares)
    for (int64_t i = 0; i < n; ++i) {
      const double d = static_cast<double>(load(in, i)) - mean;
      squares += d * d;
    }
    const double factor = 1.0 / std::sqrt(squares / static_cast<double>(n) + eps);
    inv_std[row] = factor;
    const R centre = static_cast<R>(mean), scale = static_cast<R>(factor);
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) store(out, i, (load(in, i) - centre) * scale);
  }
};

// dx = inv_std (dy - mean(dy) - y mean(dy y)), y the normalised row.
template <class T>
struct NormaliseRowBackward {
  T* dx;
  const T* dy;
  const T* y;
  const double* inv_std;
  int64_t n;

  BEVGRAD_HD void operator()(int64_t row) const {
    using R = compute_t<T>;
    const T *g = dy + row * n, *v = y + row * n;
    double sum = 0, product = 0;
#pragma omp simd reduction(+ : sum, product)
    for (int64_t i = 0; i < n; ++i) {
      const auto d = static_cast<double>(load(g, i));
      sum += d;
      product += d * static_cast<double>(load(v, i));
    }
    const R scale = static_cast<R>(inv_std[row]), mean = static_cast<R>(sum / static_cast<double>(n)),
            slope = static_cast<R>(product / static_cast<double>(n));
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) store(dx + row * n, i, scale * (load(g, i) - mean - load(v, i) * slope));
  }
};

// x [rows, n] with each row of mean 0 and variance 1.
Tensor normalised_rows(const char* op, const Tensor& x, double eps) {
  const OpScope scope(op);
  const Tensor in = ops::contiguous(x);
  const int64_t rows = x.size(0), n = x.size(1);
  const Tensor y = empty(x.sizes(), {x.dtype(), {}, x.device()});
  const Tensor inv_std = empty({rows}, {DType::Float64, {}, x.device()});
  dispatch_floating(op, x.dtype(), [&]<class T>() {
    launch(x.device(), n ? rows : 0, NormaliseRow<T>{y.data<T>(), in.data<const T>(), inv_std.data<double>(), n, eps},
           n);
  });
  return record(op, y, {x}, [op, y_ = Saved(y), inv_std](const Tensor& dy, const NeedsGrad&) {
    const Tensor gradient = ops::contiguous(dy);
    const Tensor dx = empty(dy.sizes(), {dy.dtype(), {}, dy.device()});
    const int64_t rows = dy.size(0), n = dy.size(1);
    dispatch_floating(op, dy.dtype(), [&]<class T>() {
      launch(dy.device(), n ? rows : 0,
             NormaliseRowBackward<T>{dx.data<T>(), gradient.data<const T>(), y_.get().data<const T>(),
                                     inv_std.data<const double>(), n},
             n);
    });
    return Grads{dx};
  });
}

Tensor affine(Tensor y, const Tensor& weight, const Tensor& bias, const Shape& sizes) {
  if (weight.defined()) y = mul(y, to(reshape(weight, sizes), y.dtype()));
  if (bias.defined()) y = add(y, to(reshape(bias, sizes), y.dtype()));
  return y;
}

void check_parameter(const char* op, const char* what, const Tensor& parameter, const Tensor& x, const Shape& sizes) {
  if (!parameter.defined()) return;
  const DType dtype = x.dtype() == DType::BFloat16 ? DType::Float32 : x.dtype();
  check(parameter.sizes() == sizes && (parameter.dtype() == dtype || parameter.dtype() == x.dtype()),
        "{}: {} is {}, expected {} {}", op, what, describe(parameter), name(dtype), to_string(sizes));
}

}  // namespace

Tensor layer_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight, const Tensor& bias,
                  double eps) {
  if (is_float16(x))
    return to(layer_norm(in_float32(x), normalized_shape, in_float32(weight), in_float32(bias), eps), DType::Float16);
  tape::check_defined("layer_norm", {{"x", x}});
  const auto rank = normalized_shape.size();
  check(rank >= 1 && x.sizes().size() >= rank &&
            std::equal(normalized_shape.begin(), normalized_shape.end(), x.sizes().end() - static_cast<int64_t>(rank)),
        "layer_norm: the input {} does not end in {}", to_string(x.sizes()), to_string(normalized_shape));
  check(is_floating_point(x.dtype()), "layer_norm: the input is {}, expected a floating-point tensor", describe(x));
  check_parameter("layer_norm", "weight", weight, x, normalized_shape);
  check_parameter("layer_norm", "bias", bias, x, normalized_shape);
  const int64_t n = numel(normalized_shape);
  Shape outer(x.sizes().begin(), x.sizes().end() - static_cast<int64_t>(rank));
  const Tensor y = normalised_rows("layer_norm", reshape(x, {numel(outer), n}), eps);
  return affine(reshape(y, x.sizes()), weight, bias, normalized_shape);
}

Tensor group_norm(const Tensor& x, int64_t groups, const Tensor& weight, const Tensor& bias, double eps) {
  if (is_float16(x))
    return to(group_norm(in_float32(x), groups, in_float32(weight), in_float32(bias), eps), DType::Float16);
  tape::check_defined("group_norm", {{"x", x}});
  check(x.dim() >= 2 && groups >= 1 && x.size(1) % groups == 0,
        "group_norm: the input is {}, expected [N,C,..] with C a multiple of {} groups", describe(x), groups);
  check(is_floating_point(x.dtype()), "group_norm: the input is {}, expected a floating-point tensor", describe(x));
  check_parameter("group_norm", "weight", weight, x, {x.size(1)});
  check_parameter("group_norm", "bias", bias, x, {x.size(1)});
  const int64_t rows = x.size(0) * groups;
  const Tensor y = normalised_rows("group_norm", reshape(x, {rows, rows ? x.numel() / rows : 0}), eps);
  Shape channels(x.sizes().size(), 1);
  channels[1] = x.size(1);
  return affine(reshape(y, x.sizes()), weight, bias, channels);
}

Tensor instance_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  tape::check_defined("instance_norm", {{"x", x}});
  check(x.dim() >= 3, "instance_norm: input {}, expected [N,C,..] with places", to_string(x.sizes()));
  return group_norm(x, std::max<int64_t>(x.size(1), 1), weight, bias, eps);
}

Tensor rms_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight, std::optional<double> eps) {
  if (is_float16(x)) return to(rms_norm(in_float32(x), normalized_shape, in_float32(weight), eps), DType::Float16);
  tape::check_defined("rms_norm", {{"x", x}});
  const auto rank = static_cast<int>(normalized_shape.size());
  check(rank >= 1 && rank <= x.dim() &&
            std::equal(normalized_shape.begin(), normalized_shape.end(), x.sizes().end() - rank),
        "rms_norm: input {} does not end in {}", to_string(x.sizes()), to_string(normalized_shape));
  const bool narrow = x.dtype() == DType::BFloat16;
  const DType compute = narrow ? DType::Float32 : x.dtype();
  check(!weight.defined() ||
            (weight.sizes() == normalized_shape && (weight.dtype() == compute || weight.dtype() == x.dtype())),
        "rms_norm: weight is {}, expected {} {}", weight.defined() ? describe(weight) : "", name(compute),
        to_string(normalized_shape));
  const double smallest =
      compute == DType::Float64 ? std::numeric_limits<double>::epsilon() : std::numeric_limits<float>::epsilon();
  std::vector<int> dims;
  for (int d = x.dim() - rank; d < x.dim(); ++d) dims.push_back(d);
  const Tensor wide = narrow ? to(x, compute) : x;
  Tensor y = mul(wide, rsqrt(add(mean(mul(wide, wide), dims, true), eps.value_or(smallest))));
  if (weight.defined()) y = mul(y, to(weight, compute));
  return to(y, x.dtype());
}

}  // namespace bevgrad
