// The losses of heat maps and of boxes at objects' centres.
#include <cmath>
#include <numeric>

#include "autograd/functions/pillars.h"
#include "autograd/functions/pointwise.h"
#include "autograd/functions/reduce.h"
#include "nn/losses.h"
#include "nn/losses/class_rows.h"
#include "nn/losses/whole_batch.h"
#include "tensor/element.h"
#include "tensor/elementary.h"

namespace bevgrad {
namespace {

template <class R>
struct Term {
  R value, slope;
};

// kUsual: alpha 2 and beta 4, without a call to pow.
template <bool kUsual, class R>
[[gnu::always_inline]] BEVGRAD_HD inline Term<R> gaussian_focal_term(R x, R target, R alpha, R beta) {
  const bool peak = target == R(1);
  const R s = peak ? x : -x;
  const R far = R(1) - target;
  const R distance = kUsual ? far * far * far * far : std::pow(far, beta);
  const R a = target < R(0) ? R(0) : (peak ? R(1) : distance);
  const R e = elementary::exp(s < R(0) ? s : -s);
  const R q = (s < R(0) ? e : R(1)) / (R(1) + e);
  const R rest = (s < R(0) ? R(1) : e) / (R(1) + e);
  const R log_q = (s < R(0) ? s : R(0)) - elementary::log1p(e);
  const R modulation = kUsual ? rest * rest : std::pow(rest, alpha);
  const R slope = a * modulation * (alpha * q * log_q - rest);
  return {-a * modulation * log_q, peak ? slope : -slope};
}

// Adds a block's loss and peaks. A function of its own: only then does the compiler turn the loop into vector code.
template <bool kUsual, class T, class R>
void add_block(const T* x, const T* t, int64_t length, R alpha, R beta, double& total, double& peaks) {
  R sum = 0, count = 0;
#pragma omp simd reduction(+ : sum, count)
  for (int64_t i = 0; i < length; ++i) {
    const R target = load(t, i);
    sum += gaussian_focal_term<kUsual>(load(x, i), target, alpha, beta).value;
    count += target == R(1) ? R(1) : R(0);
  }
  total += sum;
  peaks += count;
}

template <class T, bool kUsual>
std::pair<double, double> forward(const Tensor& logits, const Tensor& targets, const GaussianFocalOptions& options) {
  using R = compute_t<T>;
  const ClassRows rows(logits);
  std::vector<double> sums(static_cast<size_t>(rows.chunks()), 0.0), counts(sums);
  const T *x = logits.data<T>(), *t = targets.data<T>();
  const R alpha = static_cast<R>(options.alpha), beta = static_cast<R>(options.beta);
  rows.for_each_block(logits.device(), [&](int64_t chunk, int64_t begin, int64_t length) {
    add_block<kUsual>(x + begin, t + begin, length, alpha, beta, sums[chunk], counts[chunk]);
  });
  return {std::accumulate(sums.begin(), sums.end(), 0.0), std::accumulate(counts.begin(), counts.end(), 0.0)};
}

template <class T, bool kUsual>
void backward(const Tensor& dx, const Tensor& logits, const Tensor& targets, const GaussianFocalOptions& options,
              double scale) {
  using R = compute_t<T>;
  const ClassRows rows(logits);
  const T *x = logits.data<T>(), *t = targets.data<T>();
  T* out = dx.data<T>();
  const R alpha = static_cast<R>(options.alpha), beta = static_cast<R>(options.beta), factor = static_cast<R>(scale);
  rows.for_each_block(logits.device(), [&](int64_t, int64_t begin, int64_t length) {
#pragma omp simd
    for (int64_t i = 0; i < length; ++i)
      store(out, begin + i,
            factor * gaussian_focal_term<kUsual>(load(x, begin + i), load(t, begin + i), alpha, beta).slope);
  });
}

}  // namespace

Tensor gaussian_focal_loss(const Tensor& logits, const Tensor& targets, const GaussianFocalOptions& options) {
  check(logits.dim() == 4 && targets.sizes() == logits.sizes() && is_floating_point(targets.dtype()),
        "gaussian_focal_loss: logits {} and targets {}, expected [N,C,H,W] and floating of the same shape",
        describe(logits), describe(targets));
  const Tensor x = ops::contiguous(detach(logits), MemoryFormat::ChannelsLast);
  const Tensor t = ops::contiguous(ops::to(detach(targets), logits.dtype()), MemoryFormat::ChannelsLast);
  const bool usual = options.alpha == 2.0 && options.beta == 4.0;
  const auto [total, peaks] = dispatch_floating("gaussian_focal_loss", logits.dtype(), [&]<class T>() {
    return usual ? forward<T, true>(x, t, options) : forward<T, false>(x, t, options);
  });
  const double normaliser = std::max(1.0, whole_batch_count(peaks));
  const DType dtype = logits.dtype() == DType::Float64 ? DType::Float64 : DType::Float32;
  return record("gaussian_focal_loss", scalar(total / normaliser, {dtype, {}, logits.device()}), {logits},
                [x_ = Saved(x), t_ = Saved(t), options, normaliser, usual](const Tensor& dy, const NeedsGrad&) {
                  const Tensor& x = x_.get();
                  Tensor dx = empty(x.sizes(), {x.dtype(), MemoryFormat::ChannelsLast, x.device()});
                  const double scale = dy.item() / normaliser;
                  dispatch_floating("gaussian_focal_loss", x.dtype(), [&]<class T>() {
                    usual ? backward<T, true>(dx, x, t_.get(), options, scale)
                          : backward<T, false>(dx, x, t_.get(), options, scale);
                  });
                  return Grads{dx};
                });
}

Tensor indexed_l1_loss(const Tensor& predicted, const Tensor& cells, const Tensor& targets,
                       const std::vector<double>& weights) {
  check(predicted.dim() == 4 && cells.dim() == 1 && targets.sizes() == Shape({cells.numel(), predicted.size(1)}) &&
            targets.dtype() == predicted.dtype(),
        "indexed_l1_loss: predicted {}, cells {}, targets {}; expected [N,C,H,W], int64 [M] and [M,C]",
        describe(predicted), describe(cells), describe(targets));
  check(weights.empty() || static_cast<int64_t>(weights.size()) == predicted.size(1),
        "indexed_l1_loss: {} weights were given for {} channels", weights.size(), predicted.size(1));
  // A missing target becomes 0 with no weight.
  const int64_t channels = predicted.size(1);
  std::vector<double> values = targets.to_vector(), factors(values.size());
  const double share = 1.0 / std::max(1.0, whole_batch_count(static_cast<double>(cells.numel())));
  for (size_t i = 0; i < values.size(); ++i) {
    const bool missing = std::isnan(values[i]);
    factors[i] = missing ? 0.0 : share * (weights.empty() ? 1.0 : weights[i % static_cast<size_t>(channels)]);
    if (missing) values[i] = 0;
  }
  const TensorOptions like = {predicted.dtype(), {}, predicted.device()};
  const Tensor wanted = from_values(values, targets.sizes(), like);
  const Tensor factor = from_values(factors, targets.sizes(), like);
  return sum(mul(abs(sub(gather_cells(predicted, cells), wanted)), factor));
}

}  // namespace bevgrad
