#include "autograd/functions/batch_norm.h"

#include <cmath>

#include "autograd/batch_sync.h"
#include "autograd/checkpoint.h"
#include "autograd/functions/conv_support.h"

namespace bevgrad {
namespace {

// One number per channel, in double, on the way between kernels.
using Channels = std::vector<double>;

Tensor channel_tensor(const Channels& values, const Tensor& like_parameter) {
  return from_values(values, {static_cast<int64_t>(values.size())},
                     {like_parameter.dtype(), {}, like_parameter.device()});
}

void check_inputs(const Tensor& x, const Tensor& gamma, const Tensor& beta, const Tensor& running_mean,
                  const Tensor& running_var, const BatchNormOptions& options) {
  conv_support::check_dtypes("batch_norm", x, gamma);
  check(x.dim() == 4 || x.dim() == 2, "batch_norm: expected [N,C,H,W] or [M,C], got {}", to_string(x.sizes()));
  for (const Tensor* parameter : {&gamma, &beta, &running_mean, &running_var})
    check(parameter->defined() && parameter->sizes() == Shape{x.size(1)} && parameter->dtype() == gamma.dtype(),
          "batch_norm: input {} has {} channels, a parameter is {}", to_string(x.sizes()), x.size(1),
          describe(*parameter));
  check(!options.residual.defined() || (options.residual.sizes() == x.sizes() && options.residual.dtype() == x.dtype()),
        "batch_norm: input is {}, residual {}", describe(x), describe(options.residual));
  check(options.last_row_count >= 0 && (options.last_row_count == 1 || x.dim() == 2),
        "batch_norm: last_row_count {} needs a two-dimensional input, got {}", options.last_row_count,
        to_string(x.sizes()));
}

// running = (1 - momentum) running + momentum batch, the variance made unbiased.
void update_running(const Tensor& running, const Channels& batch, double factor, double momentum) {
  Channels values = running.to_vector();
  for (size_t c = 0; c < values.size(); ++c) values[c] = (1 - momentum) * values[c] + momentum * factor * batch[c];
  ops::copy_(running, channel_tensor(values, running));
}

struct Statistics {
  Channels mean, inv_std;
  double count = 0;     // rows behind them; 0: running statistics, which no gradient flows into
  bool spread = false;  // over the rows of several processes
};

Tensor rows_like(const Tensor& x) {
  return empty(x.sizes(), {x.dtype(), MemoryFormat::ChannelsLast, x.device()});
}

// dx = gamma inv_std (dz - sum_dz / n - (x - mean) inv_std^2 sum_dz_x / n), as coefficients of dz, x and 1.
ChannelGradient coefficients(const Statistics& s, const Channels& gamma, const Channels& sum_dz,
                             const Channels& sum_dz_x, double row_count, const Tensor& like) {
  Channels a(gamma.size()), b(gamma.size()), d(gamma.size());
  for (size_t c = 0; c < gamma.size(); ++c) {
    a[c] = gamma[c] * s.inv_std[c];
    if (s.count == 0) continue;
    b[c] = -a[c] * s.inv_std[c] * s.inv_std[c] * sum_dz_x[c] / s.count * row_count;
    d[c] = -a[c] * sum_dz[c] / s.count * row_count - b[c] * s.mean[c];
  }
  if (s.count == 0) return {channel_tensor(a, like), {}, {}};
  return {channel_tensor(a, like), channel_tensor(b, like), channel_tensor(d, like)};
}

bool is_spread() {
  return batch_sync() && batch_sync()->norms;
}

void sum_over_processes(Channels& a, Channels& b) {
  Channels both = a;
  both.insert(both.end(), b.begin(), b.end());
  batch_sync()->sum(both);
  std::copy_n(both.begin(), a.size(), a.begin());
  std::copy_n(both.begin() + static_cast<std::ptrdiff_t>(a.size()), b.size(), b.begin());
}

// Mean and (biased) variance of this process's rows become those of all processes'. The sums are taken around `around`,
// which all processes share and which lies near the mean, so that little cancels.
void merge_over_processes(Statistics& s, const Channels& around) {
  const size_t channels = around.size();
  Channels sums(2 * channels + 1);
  for (size_t c = 0; c < channels; ++c) {
    const double offset = s.mean[c] - around[c];
    sums[c] = s.count * offset;
    sums[channels + c] = s.count * (s.inv_std[c] + offset * offset);
  }
  sums.back() = s.count;
  batch_sync()->sum(sums);
  s.count = sums.back();
  s.spread = true;
  if (s.count == 0) return;
  for (size_t c = 0; c < channels; ++c) {
    const double offset = sums[c] / s.count;
    s.mean[c] = around[c] + offset;
    s.inv_std[c] = std::max(0.0, sums[channels + c] / s.count - offset * offset);
  }
}

Grads batch_norm_backward(const Tensor& dy, const Tensor& y, const Tensor& x, const Tensor& gamma, const Statistics& s,
                          int64_t last_row_count, const NeedsGrad& needs) {
  const Backend& device = backend(dy.device());
  const Tensor gradient = ops::contiguous(dy, MemoryFormat::ChannelsLast);
  const int64_t channels = dy.size(1);
  const TensorOptions wide{DType::Float64, {}, dy.device()};
  const Tensor sum_dz = zeros({channels}, wide), sum_dz_x = zeros({channels}, wide);
  Grads grads(4);  // x, gamma, beta, residual
  Tensor dz = gradient, mask = y;
  if (needs[3] && y.defined()) {
    dz = rows_like(dy);
    mask = Tensor();
  }
  const bool batch = s.count > 0;
  if (dy.numel() > 0 && (batch || needs[1] || needs[2] || needs[3])) {
    const Tensor mean = from_values(s.mean, {channels}, wide);
    run_kernel(device.channel_sums, "batch_norm backward", dy.device(), sum_dz, sum_dz_x,
               needs[3] && y.defined() ? dz : Tensor(), gradient, y, x, mean);
  }
  Channels sums = sum_dz.to_vector(), products = sum_dz_x.to_vector();
  if (needs[3]) grads[3] = dz;
  if (needs[1]) {
    Channels values = products;
    for (size_t c = 0; c < values.size(); ++c) values[c] *= s.inv_std[c];
    grads[1] = channel_tensor(values, gamma);
  }
  if (needs[2]) grads[2] = channel_tensor(sums, gamma);
  if (s.spread) sum_over_processes(sums, products);
  if (!needs[0]) return grads;
  const Channels factors = gamma.to_vector();
  grads[0] = rows_like(dy);
  const Tensor input = batch ? x : Tensor();
  run_kernel(device.channel_affine_backward, "batch_norm backward", dy.device(), grads[0], dz, mask, input,
             coefficients(s, factors, sums, products, 1, gamma));
  if (batch && last_row_count != 1 && dy.size(0) > 0) {
    // The last row stands for several: their gradients' sum.
    auto last = [&](const Tensor& t) { return t.defined() ? ops::narrow(t, 0, dy.size(0) - 1, 1) : Tensor(); };
    run_kernel(device.channel_affine_backward, "batch_norm backward", dy.device(), last(grads[0]), last(dz), last(mask),
               last(input), coefficients(s, factors, sums, products, static_cast<double>(last_row_count), gamma));
  }
  return grads;
}

Statistics batch_statistics(const Tensor& x, const Tensor& running_mean, const Tensor& running_var,
                            const BatchNormOptions& options) {
  const int64_t channels = x.size(1);
  const double rows = x.numel() == 0 ? 0 : static_cast<double>(x.numel() / channels - 1 + options.last_row_count);
  const TensorOptions wide{DType::Float64, {}, x.device()};
  const Tensor mean = zeros({channels}, wide), variance = zeros({channels}, wide);
  if (x.numel() > 0) {
    run_kernel(backend(x.device()).channel_statistics, "batch_norm", x.device(), mean, variance, x,
               options.last_row_count);
  }
  Statistics s{mean.to_vector(), variance.to_vector(), rows};
  if (is_spread()) merge_over_processes(s, running_mean.to_vector());
  check(s.count != 1, "batch_norm: input {} has one value per channel, training needs more", to_string(x.sizes()));
  const double count = s.count;
  if (count == 0) return s;
  if (!is_recomputing()) {
    update_running(running_mean, s.mean, 1.0, options.momentum);
    update_running(running_var, s.inv_std, count / (count - 1), options.momentum);
  }
  for (double& value : s.inv_std) value = 1.0 / std::sqrt(value + options.eps);
  return s;
}

}  // namespace

FoldedNorm fold_batch_norm(const Tensor& gamma, const Tensor& beta, const Tensor& running_mean,
                           const Tensor& running_var, double eps) {
  Channels scale = gamma.to_vector(), shift = beta.to_vector();
  const Channels mean = running_mean.to_vector(), variance = running_var.to_vector();
  for (size_t c = 0; c < scale.size(); ++c) {
    scale[c] /= std::sqrt(variance[c] + eps);
    shift[c] -= mean[c] * scale[c];
  }
  return {channel_tensor(scale, gamma), channel_tensor(shift, gamma)};
}

Tensor batch_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, const Tensor& running_mean,
                  const Tensor& running_var, const BatchNormOptions& options) {
  check_inputs(x, gamma, beta, running_mean, running_var, options);
  const Tensor input = ops::contiguous(x, MemoryFormat::ChannelsLast);
  const Tensor residual =
      options.residual.defined() ? ops::contiguous(options.residual, MemoryFormat::ChannelsLast) : Tensor();
  const bool on_batch = options.training && (x.numel() > 0 || is_spread());
  Statistics s;
  if (on_batch) {
    s = batch_statistics(input, running_mean, running_var, options);
  } else {
    s = {running_mean.to_vector(), running_var.to_vector(), 0};
    for (double& value : s.inv_std) value = 1.0 / std::sqrt(value + options.eps);
  }
  Channels scale = gamma.to_vector(), shift = beta.to_vector();
  for (size_t c = 0; c < scale.size(); ++c) {
    scale[c] *= s.inv_std[c];
    shift[c] -= s.mean[c] * scale[c];
  }
  Tensor y = rows_like(x);
  run_kernel(backend(x.device()).channel_affine, "batch_norm", x.device(), y, input, channel_tensor(scale, gamma),
             channel_tensor(shift, gamma), residual, options.relu);
  if (!will_record({x, gamma, beta, options.residual})) return y;

  const bool input_needed = on_batch || requires_grad(gamma);
  auto rule = [input_ = input_needed ? Saved(input) : Saved(), gamma_ = Saved(gamma),
               y_ = options.relu ? Saved(y) : Saved(), s = std::move(s),
               last_row_count = options.last_row_count](const Tensor& dy, const NeedsGrad& needs) {
    return batch_norm_backward(dy, y_.get(), input_.get(), gamma_.get(), s, last_row_count, needs);
  };
  return record("batch_norm", y, {x, gamma, beta, options.residual}, std::move(rule));
}

}  // namespace bevgrad
