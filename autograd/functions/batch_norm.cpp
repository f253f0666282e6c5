#include "autograd/functions/batch_norm.h"

#include <cmath>

#include "autograd/batch_sync.h"
#include "autograd/checkpoint.h"
#include "autograd/constant.h"
#include "functions/internal/conv_support.h"
#include "functions/internal/float16.h"
#include "internal/late_sums.h"
#include "internal/remake.h"
#include "tensor/launch.h"
#include "tensor/norm_functors.h"

namespace bevgrad {
namespace {

using namespace norm_functors;

// What is known of every channel stays on the device, float64 [C]; one index of the functors below is one channel.
// P: the parameters' type.

template <class P>
struct Fold {
  const P* gamma;
  const P* beta;
  const P* running_mean;
  const P* running_var;
  P* scale;
  P* shift;
  double eps;

  BEVGRAD_HD void operator()(int64_t c) const {
    const double factor = static_cast<double>(gamma[c]) / std::sqrt(static_cast<double>(running_var[c]) + eps);
    scale[c] = static_cast<P>(factor);
    shift[c] = static_cast<P>(static_cast<double>(beta[c]) - static_cast<double>(running_mean[c]) * factor);
  }
};

// The last of `rows` rows counts `times` times: mean and variance of the rows become those of rows - 1 + times (Chan's
// way to merge moments, so that little cancels).
template <class T>
struct RepeatLastRow {
  double* mean;
  double* variance;
  const T* last_row;
  double rows, times;

  BEVGRAD_HD void operator()(int64_t c) const {
    const double count = rows - 1 + times;
    const double offset = static_cast<double>(compute_t<T>(last_row[c])) - mean[c];
    const double spread = count > 0 ? (variance[c] * rows + (times - 1) * rows / count * offset * offset) / count : 0;
    mean[c] = count > 0 ? mean[c] + (times - 1) / count * offset : 0;
    variance[c] = spread < 0 ? 0 : spread;  // a NaN stays
  }
};

// Sums of this process's rows around a value that all processes share and that lies near the mean, so that little
// cancels; the number of rows comes last.
template <class P>
struct SumsOfRows {
  const double* mean;
  const double* variance;
  const P* around;
  double* sums;  // [2 channels + 1]
  int64_t channels;
  double count;

  BEVGRAD_HD void operator()(int64_t c) const {
    const double offset = mean[c] - static_cast<double>(around[c]);
    sums[c] = count * offset;
    sums[channels + c] = count * (variance[c] + offset * offset);
    if (c == 0) sums[2 * channels] = count;
  }
};

template <class P>
struct StatisticsOfSums {
  const double* sums;
  const P* around;
  double* mean;
  double* variance;
  int64_t channels;

  BEVGRAD_HD void operator()(int64_t c) const {
    const double count = sums[2 * channels];
    if (count == 0) return;
    const double offset = sums[c] / count;
    const double spread = sums[channels + c] / count - offset * offset;
    mean[c] = static_cast<double>(around[c]) + offset;
    variance[c] = spread > 0.0 ? spread : 0.0;
  }
};

void check_inputs(const Tensor& x, const Tensor& gamma, const Tensor& beta, const Tensor& running_mean,
                  const Tensor& running_var, const BatchNormOptions& options) {
  conv_support::check_dtypes("batch_norm", x, gamma);
  check(x.dim() == 4 || x.dim() == 2, "batch_norm: expected [N,C,H,W] or [M,C], got {}", to_string(x.sizes()));
  for (const Tensor* parameter : {&gamma, &beta, &running_mean, &running_var})
    check(parameter->defined() && parameter->sizes() == Shape{x.size(1)} && parameter->dtype() == gamma.dtype(),
          "batch_norm: input {} has {} channels, a parameter is {}", to_string(x.sizes()), x.size(1),
          describe(*parameter));
  check(running_mean.is_contiguous() && running_var.is_contiguous(),
        "batch_norm: the running statistics must be contiguous");
  check(!options.residual.defined() || (options.residual.sizes() == x.sizes() && options.residual.dtype() == x.dtype()),
        "batch_norm: input is {}, residual {}", describe(x), describe(options.residual));
  check(options.last_row_count >= 0 && (options.last_row_count == 1 || x.dim() == 2),
        "batch_norm: last_row_count {} needs a two-dimensional input, got {}", options.last_row_count,
        to_string(x.sizes()));
}

struct Statistics {
  Tensor mean, inv_std;      // float64 [C]
  double count = 0;          // rows behind them, here; 0: running statistics, which no gradient flows into
  Tensor global_count = {};  // float64 [1]: rows of all processes, where the batch is spread over several

  bool of_batch() const { return count > 0 || global_count.defined(); }
  const double* all_rows() const { return global_count.defined() ? global_count.data<double>() : nullptr; }
};

Tensor rows_like(const Tensor& x) {
  return empty(x.sizes(), {x.dtype(), MemoryFormat::ChannelsLast, x.device()});
}

Tensor empty_per_channel(int64_t channels, Device device) {
  return empty({channels}, {DType::Float64, {}, device});
}

// Calls f with the parameters' type; they are contiguous.
template <class F>
void dispatch_parameters(const Tensor& parameter, const F& f) {
  if (parameter.dtype() == DType::Float64) {
    f.template operator()<double>();
  } else {
    f.template operator()<float>();
  }
}

Tensor inverse_deviation(const Tensor& variance, double eps) {
  const Tensor inv_std = empty_per_channel(variance.numel(), variance.device());
  dispatch_parameters(variance, [&]<class V>() {
    launch(variance.device(), variance.numel(), InverseDeviation<V>{variance.data<V>(), inv_std.data<double>(), eps});
  });
  return inv_std;
}

ChannelGradient coefficients(const Statistics& s, const Tensor& gamma, const Tensor& sum_dz, const Tensor& sum_dz_x,
                             double row_count) {
  ChannelGradient result{empty_like(gamma), {}, {}};
  if (s.of_batch()) {
    result.b = empty_like(gamma);
    result.d = empty_like(gamma);
  }
  dispatch_parameters(gamma, [&]<class P>() {
    launch(gamma.device(), gamma.numel(),
           Coefficients<P>{gamma.data<P>(), s.mean.data<double>(), s.inv_std.data<double>(), sum_dz.data<double>(),
                           sum_dz_x.data<double>(), s.all_rows(), s.count, row_count, result.a.data<P>(),
                           s.of_batch() ? result.b.data<P>() : nullptr, s.of_batch() ? result.d.data<P>() : nullptr});
  });
  return result;
}

bool is_distributed() {
  return batch_sync() && batch_sync()->norms;
}

// Mean and (biased) variance of this process's rows become those of all processes'.
void merge_over_processes(Statistics& s, const Tensor& variance, const Tensor& around) {
  const int64_t channels = around.numel();
  const Tensor sums = zeros({2 * channels + 1}, {DType::Float64, {}, around.device()});
  dispatch_parameters(around, [&]<class P>() {
    launch(around.device(), channels,
           SumsOfRows<P>{s.mean.data<double>(), variance.data<double>(), around.data<P>(), sums.data<double>(),
                         channels, s.count});
  });
  batch_sync()->sum_tensors({&sums, 1});
  dispatch_parameters(around, [&]<class P>() {
    launch(around.device(), channels,
           StatisticsOfSums<P>{sums.data<double>(), around.data<P>(), s.mean.data<double>(), variance.data<double>(),
                               channels});
  });
  s.global_count = ops::narrow(sums, 0, 2 * channels, 1);
}

Grads batch_norm_backward(const Tensor& dy, const ReluMask& relu, const Tensor& x, const Tensor& gamma,
                          const Statistics& s, int64_t last_row_count, const NeedsGrad& needs) {
  const Backend& device = backend(dy.device());
  const Tensor gradient = ops::contiguous(dy, MemoryFormat::ChannelsLast);
  const int64_t channels = dy.size(1);
  Grads grads(4);  // x, gamma, beta, residual
  Tensor dz = gradient;
  ReluMask mask = relu;
  const bool masked_for_residual = needs[3] && relu.y.defined();
  if (masked_for_residual) {
    dz = rows_like(dy);
    mask = {};
  }
  const bool batch = s.of_batch();
  if (device.norm_backward && batch && !s.global_count.defined() && last_row_count == 1 && dy.numel() > 0) {
    if (needs[1]) grads[1] = empty_like(gamma);
    if (needs[2]) grads[2] = empty_like(gamma);
    if (needs[3]) grads[3] = dz;
    const ChannelGradient coefficients =
        needs[0] ? ChannelGradient{empty_like(gamma), empty_like(gamma), empty_like(gamma)} : ChannelGradient();
    run_kernel(device.norm_backward, "batch_norm backward", dy.device(), coefficients, grads[1], grads[2],
               masked_for_residual ? dz : Tensor(), gradient, relu, x, gamma,
               NormState{.mean = s.mean, .inv_std = s.inv_std});
    if (!needs[0]) return grads;
    grads[0] = rows_like(dy);
    run_kernel(device.channel_affine_backward, "batch_norm backward", dy.device(), grads[0], dz, mask, x, coefficients);
    return grads;
  }
  // Side by side, so that processes add them up at once.
  const Tensor sums = zeros({2 * channels}, {DType::Float64, {}, dy.device()});
  const Tensor sum_dz = ops::narrow(sums, 0, 0, channels), sum_dz_x = ops::narrow(sums, 0, channels, channels);
  if (dy.numel() > 0 && (batch || needs[1] || needs[2] || needs[3])) {
    run_kernel(device.channel_sums, "batch_norm backward", dy.device(), sum_dz, x.defined() ? sum_dz_x : Tensor(),
               masked_for_residual ? dz : Tensor(), gradient, relu, x, x.defined() ? s.mean : Tensor());
  }
  if (needs[3]) grads[3] = dz;
  if (needs[1]) grads[1] = ops::to(ops::mul(sum_dz_x, s.inv_std), gamma.dtype());
  // A copy: the processes' sums are written over it.
  if (needs[2]) grads[2] = gamma.dtype() == DType::Float64 ? ops::clone(sum_dz) : ops::to(sum_dz, gamma.dtype());
  if (needs[0]) grads[0] = rows_like(dy);
  const auto finish = [=, dx = grads[0]] {
    if (!dx.defined()) return;
    const auto kernel = backend(dx.device()).channel_affine_backward;
    const Tensor input = batch || mask.scale.defined() ? x : Tensor();
    run_kernel(kernel, "batch_norm backward", dx.device(), dx, dz, mask, input,
               coefficients(s, gamma, sum_dz, sum_dz_x, 1));
    if (!batch || last_row_count == 1 || dx.size(0) == 0) return;
    // The last row stands for several: their gradients' sum.
    auto last = [&](const Tensor& t) { return t.defined() ? ops::narrow(t, 0, dx.size(0) - 1, 1) : Tensor(); };
    run_kernel(kernel, "batch_norm backward", dx.device(), last(dx), last(dz),
               ReluMask{last(mask.y), mask.scale, mask.shift}, last(input),
               coefficients(s, gamma, sum_dz, sum_dz_x, static_cast<double>(last_row_count)));
  };
  if (s.global_count.defined()) {
    tape::sum_late(sums, finish);
  } else {
    finish();
  }
  return grads;
}

void check_rows(double rows, const Tensor& x) {
  check(rows != 1, "batch_norm: input {} has one value per channel, training needs more", to_string(x.sizes()));
}

// How many values a channel has here.
double batch_rows(const Tensor& x, const BatchNormOptions& options) {
  return x.numel() == 0 ? 0 : static_cast<double>(x.numel() / x.size(1) - 1 + options.last_row_count);
}

Statistics batch_statistics(const Tensor& x, const Tensor& running_mean, const Tensor& running_var,
                            const BatchNormOptions& options) {
  const int64_t channels = x.size(1);
  const double rows = batch_rows(x, options);
  const TensorOptions wide{DType::Float64, {}, x.device()};
  Statistics s{zeros({channels}, wide), {}, rows};
  const Tensor variance = zeros({channels}, wide);
  if (x.numel() > 0) {
    run_kernel(backend(x.device()).channel_statistics, "batch_norm", x.device(), s.mean, variance, x);
    if (options.last_row_count != 1) {
      dispatch_floating("batch_norm", x.dtype(), [&]<class T>() {
        launch(x.device(), channels,
               RepeatLastRow<T>{s.mean.data<double>(), variance.data<double>(), x.data<T>() + x.numel() - channels,
                                static_cast<double>(x.size(0)), static_cast<double>(options.last_row_count)});
      });
    }
  }
  if (is_distributed()) merge_over_processes(s, variance, running_mean);
  // If this rank has more than one row, so has the global batch: no device synchronisation is needed to know it.
  const double least = s.global_count.defined() && rows <= 1 ? s.global_count.item() : rows;
  check_rows(least, x);
  dispatch_parameters(running_mean, [&]<class P>() {
    launch(x.device(), channels,
           UpdateRunning<P>{running_mean.data<P>(), running_var.data<P>(), s.mean.data<double>(),
                            variance.data<double>(), s.all_rows(), s.count, options.momentum});
  });
  running_mean.note_write();
  running_var.note_write();
  s.inv_std = inverse_deviation(variance, options.eps);
  return s;
}

// By what a batch is normalised: mean, inv_std, scale, shift and global_count, where there is one.
std::vector<Tensor> normalised_by(const Tensor& x, const Tensor& gamma, const Tensor& beta, const Tensor& running_mean,
                                  const Tensor& running_var, const BatchNormOptions& options, bool on_batch) {
  const Tensor scale = empty_like(gamma), shift = empty_like(gamma);
  Statistics s;
  if (on_batch && backend(x.device()).norm_forward && !is_distributed() && options.last_row_count == 1) {
    s = {empty_per_channel(x.size(1), x.device()), empty_per_channel(x.size(1), x.device())};
    check_rows(batch_rows(x, options), x);
    running_mean.note_write();
    running_var.note_write();
    run_kernel(backend(x.device()).norm_forward, "batch_norm", x.device(), NormState{s.mean, s.inv_std, scale, shift},
               x, NormParameters{gamma, beta, running_mean, running_var, options.momentum, options.eps});
    return {s.mean, s.inv_std, scale, shift, {}};
  }
  if (on_batch) {
    s = batch_statistics(x, running_mean, running_var, options);
  } else {
    s = {empty_per_channel(x.size(1), x.device()), inverse_deviation(running_var, options.eps)};
    ops::copy_(s.mean, running_mean);
  }
  dispatch_parameters(gamma, [&]<class P>() {
    launch(x.device(), gamma.numel(),
           Affine<P>{gamma.data<P>(), beta.data<P>(), s.mean.data<double>(), s.inv_std.data<double>(), scale.data<P>(),
                     shift.data<P>()});
  });
  return {s.mean, s.inv_std, scale, shift, s.global_count};
}

}  // namespace

FoldedNorm fold_batch_norm(const Tensor& gamma, const Tensor& beta, const Tensor& running_mean,
                           const Tensor& running_var, double eps) {
  const OpScope scope("fold_batch_norm",
                      {{"gamma", gamma}, {"beta", beta}, {"running_mean", running_mean}, {"running_var", running_var}});
  check_constant("fold_batch_norm",
                 {{"gamma", gamma}, {"beta", beta}, {"running_mean", running_mean}, {"running_var", running_var}});
  const FoldedNorm folded{empty_like(gamma), empty_like(gamma)};
  dispatch_parameters(gamma, [&]<class P>() {
    launch(gamma.device(), gamma.numel(),
           Fold<P>{gamma.data<P>(), beta.data<P>(), running_mean.data<P>(), running_var.data<P>(),
                   folded.scale.data<P>(), folded.shift.data<P>(), eps});
  });
  return folded;
}

Tensor batch_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, const Tensor& running_mean,
                  const Tensor& running_var, const BatchNormOptions& options) {
  if (is_float16(x)) {
    BatchNormOptions wide = options;
    wide.residual = in_float32(options.residual);
    return to(batch_norm(in_float32(x), in_float32(gamma), in_float32(beta), running_mean, running_var, wide),
              DType::Float16);
  }
  const OpScope scope(
      "batch_norm",
      {{"x", x}, {"gamma", gamma}, {"beta", beta}, {"running_mean", running_mean}, {"running_var", running_var}});
  check_inputs(x, gamma, beta, running_mean, running_var, options);
  check_constant("batch_norm", {{"running_mean", running_mean}, {"running_var", running_var}});
  const Tensor input = ops::contiguous(x, MemoryFormat::ChannelsLast);
  const Tensor residual =
      options.residual.defined() ? ops::contiguous(options.residual, MemoryFormat::ChannelsLast) : Tensor();
  const Tensor factors = ops::contiguous(detach(gamma)), offsets = ops::contiguous(detach(beta));
  const bool on_batch = options.training && (x.numel() > 0 || is_distributed());
  // A checkpointed stretch takes the statistics once: they move the running ones, and other processes take part.
  const auto normalisation = [&] {
    return normalised_by(input, factors, offsets, running_mean, running_var, options, on_batch);
  };
  const std::vector<Tensor> found = on_batch ? computed_once(normalisation) : normalisation();
  const Tensor &scale = found[2], &shift = found[3];
  Statistics s{found[0], found[1], on_batch ? batch_rows(x, options) : 0, found[4]};
  const auto normalised = [relu = options.relu, scale, shift](const Tensor& input, const Tensor& residual) {
    Tensor y = rows_like(input);
    run_kernel(backend(input.device()).channel_affine, "batch_norm", input.device(), y, input, scale, shift, residual,
               relu);
    return y;
  };
  Tensor y = normalised(input, residual);
  if (!will_record({x, gamma, beta, options.residual}))
    return record("batch_norm", y, {x, gamma, beta, options.residual}, nullptr);

  const bool input_needed = on_batch || requires_grad(gamma);
  // Where the ReLU let values through can be seen from the input: the output need not be kept nor read.
  const bool mask_of_input = options.relu && input_needed && !residual.defined();
  const ReluMask mask = mask_of_input ? ReluMask{{}, scale, shift} : ReluMask{};
  auto rule = [input_ = input_needed ? Saved(input) : Saved(), gamma_ = Saved(gamma),
               y_ = options.relu && !mask_of_input ? Saved(y) : Saved(), mask, s = std::move(s),
               last_row_count = options.last_row_count](const Tensor& dy, const NeedsGrad& needs) {
    const ReluMask relu{y_.get(), mask.scale, mask.shift};
    return batch_norm_backward(dy, relu, input_.get(), ops::contiguous(gamma_.get()), s, last_row_count, needs);
  };
  y = record("batch_norm", y, {x, gamma, beta, options.residual}, std::move(rule));
  if (input_needed && !residual.defined())
    tape::set_remake(y, [normalised, input_ = Saved(input)] { return normalised(input_.get(), {}); });
  return y;
}

}  // namespace bevgrad
