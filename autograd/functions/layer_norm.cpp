#include "autograd/functions/layer_norm.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "autograd/functions/elementary.h"
#include "autograd/functions/operators.h"
#include "autograd/functions/pointwise.h"
#include "autograd/functions/reduce.h"
#include "autograd/functions/shape.h"
#include "functions/internal/float16.h"
#include "functions/internal/row_norm.h"
#include "functions/internal/rule_ops.h"
#include "tensor/backend.h"
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

// In the dtype that kernels take parameters in; undefined stays undefined.
Tensor parameter(const Tensor& x, const Tensor& values) {
  if (!values.defined()) return {};
  return ops::contiguous(ops::to(values, x.dtype() == DType::Float64 ? DType::Float64 : DType::Float32));
}

Tensor gradient_of(const Tensor& values, bool wanted) {
  if (!wanted) return {};
  return empty(values.sizes(), {values.dtype() == DType::Float64 ? DType::Float64 : DType::Float32});
}

Tensor in_dtype(const Tensor& gradient, const Tensor& values) {
  return gradient.defined() ? ops::to(gradient, values.dtype()) : Tensor();
}

// normalised_on_host, made of others.
Tensor normalised_by_others(const Tensor& x, const Tensor& weight, const Tensor& bias, const row_norm::Rows& rows,
                            double eps) {
  const Tensor lines = reshape(x, {rows.count, x.numel() / rows.count});
  const Tensor centred = rows.centred ? lines - mean(lines, {1}, true) : lines;
  const Tensor y = centred * rsqrt(mean(centred * centred, {1}, true) + eps);
  Shape sizes = weight.defined() ? weight.sizes() : Shape();
  if (rows.by_piece) {
    sizes.assign(x.sizes().size(), 1);
    sizes[1] = x.size(1);
  }
  return affine(reshape(y, x.sizes()), weight, bias, sizes);
}

// On the processor, where x is dense and the rows lie one behind the other.
Tensor normalised_on_host(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias,
                          const row_norm::Rows& rows, double eps) {
  const OpScope scope(op);
  const Tensor in = ops::contiguous(x), w = parameter(x, weight);
  const Tensor y = empty(x.sizes(), {x.dtype()});
  const Tensor mean = empty({rows.count}, {DType::Float64}), inv_std = empty({rows.count}, {DType::Float64});
  row_norm::forward(y, mean, inv_std, in, w, parameter(x, bias), rows, eps);
  return record(
      op, y, {x, weight, bias},
      twice([x_ = Saved(in), w_ = weight.defined() ? Saved(w) : Saved(), weight, bias, mean, inv_std, rows, eps](
                const Tensor& dy, const NeedsGrad& needs) {
        const Tensor& x = x_.get();
        if (rule::is_recorded())
          return rule::gradients_of(
              [&](const std::vector<Tensor>& of) { return normalised_by_others(of[0], of[1], of[2], rows, eps); },
              {rule::input(0, x), weight, bias}, dy, needs);
        const Tensor dx = needs[0] ? empty(x.sizes(), {x.dtype()}) : Tensor();
        const Tensor dw = gradient_of(weight, needs[1]), db = gradient_of(bias, needs[2]);
        row_norm::backward(dx, dw, db, ops::contiguous(dy), x, w_.defined() ? w_.get() : Tensor(), mean, inv_std, rows);
        return Grads{dx, in_dtype(dw, weight), in_dtype(db, bias)};
      }));
}

// Values of groups, float64 [groups], as one for each of their channels.
Tensor for_channels(const Tensor& of_groups, int64_t channels) {
  const int64_t groups = of_groups.numel(), each = channels / groups;
  const Tensor wide = empty({groups, each}, {of_groups.dtype(), {}, of_groups.device()});
  ops::copy_(wide, ops::view(of_groups, {groups, 1}));
  return ops::view(wide, {channels});
}

Tensor group_means(const Tensor& of_channels, int64_t groups) {
  return ops::mean(ops::view(of_channels, {groups, of_channels.numel() / groups}), {1});
}

// A channels-last map, sample by sample, with the kernels of batch_norm: a channel's statistics, and factors and
// summands for channels.
Tensor group_norm_of_maps(const Tensor& x, int64_t groups, const Tensor& weight, const Tensor& bias, double eps) {
  const OpScope scope("group_norm");
  const int64_t samples = x.size(0), channels = x.size(1);
  const Backend& device = backend(x.device());
  const TensorOptions wide{DType::Float64, {}, x.device()};
  const DType narrow = x.dtype() == DType::Float64 ? DType::Float64 : DType::Float32;
  const Tensor y = empty(x.sizes(), {x.dtype(), MemoryFormat::ChannelsLast, x.device()});
  const Tensor means = empty({samples, channels}, wide), factors = empty({samples, channels}, wide);
  const Tensor gamma = weight.defined() ? ops::to(weight, DType::Float64) : ones({channels}, wide);
  const Tensor beta = bias.defined() ? ops::to(bias, DType::Float64) : zeros({channels}, wide);
  for (int64_t n = 0; n < samples; ++n) {
    const Tensor in = ops::narrow(x, 0, n, 1), mean = empty({channels}, wide), variance = empty({channels}, wide);
    run_kernel(device.channel_statistics, "group_norm", x.device(), mean, variance, in);
    const Tensor of_group = for_channels(group_means(mean, groups), channels), apart = ops::sub(mean, of_group);
    const Tensor spread = for_channels(group_means(ops::add(variance, ops::mul(apart, apart)), groups), channels);
    const Tensor inv_std = ops::div(ones({channels}, wide), ops::sqrt(ops::add(spread, eps)));
    const Tensor scale = ops::mul(gamma, inv_std);
    run_kernel(device.channel_affine, "group_norm", x.device(), ops::narrow(y, 0, n, 1), in, ops::to(scale, narrow),
               ops::to(ops::sub(beta, ops::mul(of_group, scale)), narrow), Tensor(), false);
    ops::copy_(ops::select(means, 0, n), of_group);
    ops::copy_(ops::select(factors, 0, n), inv_std);
  }
  return record("group_norm", y, {x, weight, bias},
                [x_ = Saved(x), gamma, means, factors, groups, narrow, weight, bias](const Tensor& gradient,
                                                                                     const NeedsGrad& needs) {
                  const Tensor& x = x_.get();
                  const Tensor dy = ops::contiguous(gradient, MemoryFormat::ChannelsLast);
                  const Backend& device = backend(x.device());
                  const int64_t channels = x.size(1);
                  const double each = static_cast<double>(x.numel() / std::max<int64_t>(x.size(0) * channels, 1));
                  const TensorOptions wide{DType::Float64, {}, x.device()};
                  const Tensor dx = empty(x.sizes(), {x.dtype(), MemoryFormat::ChannelsLast, x.device()});
                  const Tensor dgamma = zeros({channels}, wide), dbeta = zeros({channels}, wide);
                  for (int64_t n = 0; n < x.size(0); ++n) {
                    const Tensor in = ops::narrow(x, 0, n, 1), out = ops::narrow(dy, 0, n, 1);
                    const Tensor mean = ops::select(means, 0, n), inv_std = ops::select(factors, 0, n);
                    const Tensor sum = empty({channels}, wide), product = empty({channels}, wide);
                    run_kernel(device.channel_sums, "group_norm backward", x.device(), sum, product, Tensor(), out,
                               ReluMask{}, in, mean);
                    ops::add_(dbeta, sum);
                    ops::add_(dgamma, ops::mul(product, inv_std));
                    if (!needs[0]) continue;
                    // dx = inv_std (gamma dy - mean of gamma dy - (x - mean) inv_std^2 mean of gamma dy (x - mean))
                    const auto mean_of = [&](const Tensor& sums) {
                      return ops::div(for_channels(group_means(ops::mul(gamma, sums), groups), channels), each);
                    };
                    const Tensor cube = ops::mul(inv_std, ops::mul(inv_std, inv_std));
                    const Tensor b = ops::neg(ops::mul(cube, mean_of(product)));
                    const Tensor d = ops::neg(ops::add(ops::mul(inv_std, mean_of(sum)), ops::mul(b, mean)));
                    run_kernel(device.channel_affine_backward, "group_norm backward", x.device(),
                               ops::narrow(dx, 0, n, 1), out, ReluMask{}, in,
                               ChannelGradient{ops::to(ops::mul(gamma, inv_std), narrow), ops::to(b, narrow),
                                               ops::to(d, narrow)});
                  }
                  return Grads{needs[0] ? dx : Tensor(), needs[1] ? ops::to(dgamma, weight.dtype()) : Tensor(),
                               needs[2] ? ops::to(dbeta, bias.dtype()) : Tensor()};
                });
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
  if (x.device().is_cpu())
    return normalised_on_host("layer_norm", x, weight, bias, {.count = numel(outer), .pieces = 1, .span = n}, eps);
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
  // Of few values a factor and a summand for each would cancel too coarsely.
  constexpr int64_t kFew = 64;
  if (x.suggested_format() == MemoryFormat::ChannelsLast && x.is_contiguous(MemoryFormat::ChannelsLast) &&
      x.numel() >= kFew * rows && x.numel() > 0)
    return group_norm_of_maps(x, groups, weight, bias, eps);
  if (x.device().is_cpu()) {
    const int64_t span = rows && x.size(1) ? x.numel() / (x.size(0) * x.size(1)) : 0;
    return normalised_on_host(
        "group_norm", x, weight, bias,
        {.count = rows, .pieces = x.size(1) / groups, .span = span, .by_piece = true, .period = groups}, eps);
  }
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
  if (x.device().is_cpu()) {
    const int64_t n = numel(normalized_shape);
    return normalised_on_host("rms_norm", x, weight, {},
                              {.count = n ? x.numel() / n : 0, .pieces = 1, .span = n, .centred = false},
                              eps.value_or(smallest));
  }
  std::vector<int> dims;
  for (int d = x.dim() - rank; d < x.dim(); ++d) dims.push_back(d);
  const Tensor wide = narrow ? to(x, compute) : x;
  Tensor y = mul(wide, rsqrt(add(mean(mul(wide, wide), dims, true), eps.value_or(smallest))));
  if (weight.defined()) y = mul(y, to(weight, compute));
  return to(y, x.dtype());
}

}  // namespace bevgrad
