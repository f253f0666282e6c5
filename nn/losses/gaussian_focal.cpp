// The focal loss of heat maps.
#include <cmath>
#include <numeric>

#include "autograd/constant.h"
#include "losses/internal/class_rows.h"
#include "losses/internal/class_sums.h"
#include "losses/internal/focal_term.h"
#include "losses/internal/raster_targets.h"
#include "losses/internal/whole_batch.h"
#include "tensor/element.h"

namespace bevgrad {
namespace {

// kUsual: alpha 2 and beta 4, without a call to pow.
template <bool kUsual, class R>
[[gnu::always_inline]] BEVGRAD_HD inline FocalTerm<R> gaussian_focal_term(R x, R target, R alpha, R beta) {
  const bool peak = target == R(1);
  const R far = R(1) - target;
  const R distance = kUsual ? far * far * far * far : std::pow(far, beta);
  const R a = target < R(0) ? R(0) : (peak ? R(1) : distance);
  return focal_term<kUsual>(x, peak, a, alpha);
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

// The terms of one element for class_sums: loss, peaks.
template <class T, bool kUsual>
struct GaussianTerms {
  using R = compute_t<T>;
  const T* x;
  const T* t;
  R alpha, beta;

  BEVGRAD_HD void operator()(int64_t i, int64_t, R* sums) const {
    const R target = load(t, i);
    sums[0] += gaussian_focal_term<kUsual>(load(x, i), target, alpha, beta).value;
    sums[1] += target == R(1) ? R(1) : R(0);
  }
};

// The gradient of one element.
template <class T, bool kUsual>
struct GaussianSlope {
  using R = compute_t<T>;
  const T* x;
  const T* t;
  CountedScale<loss_t<T>> scale;
  T* dx;
  R alpha, beta;

  BEVGRAD_HD void operator()(int64_t i) const {
    store(dx, i, static_cast<R>(scale()) * gaussian_focal_term<kUsual>(load(x, i), load(t, i), alpha, beta).slope);
  }
};

template <class T, bool kUsual>
std::pair<double, double> forward(const Tensor& logits, const Tensor& targets, const GaussianFocalOptions& options) {
  using R = compute_t<T>;
  const R alpha = static_cast<R>(options.alpha), beta = static_cast<R>(options.beta);
  const ClassRows rows(logits);
  std::vector<double> sums(static_cast<size_t>(rows.chunks()), 0.0), counts(sums);
  const T *x = logits.data<T>(), *t = targets.data<T>();
  rows.for_each_block([&](int64_t chunk, int64_t begin, int64_t length) {
    add_block<kUsual>(x + begin, t + begin, length, alpha, beta, sums[chunk], counts[chunk]);
  });
  return {std::accumulate(sums.begin(), sums.end(), 0.0), std::accumulate(counts.begin(), counts.end(), 0.0)};
}

template <class T, bool kUsual>
void backward(const Tensor& dx, const Tensor& logits, const Tensor& targets, const GaussianFocalOptions& options,
              const Tensor& scale) {
  using R = compute_t<T>;
  const T *x = logits.data<T>(), *t = targets.data<T>();
  T* out = dx.data<T>();
  const R alpha = static_cast<R>(options.alpha), beta = static_cast<R>(options.beta);
  const ClassRows rows(logits);
  const R factor = static_cast<R>(scale.item());
  rows.for_each_block([&](int64_t, int64_t begin, int64_t length) {
#pragma omp simd
    for (int64_t i = 0; i < length; ++i)
      store(out, begin + i,
            factor * gaussian_focal_term<kUsual>(load(x, begin + i), load(t, begin + i), alpha, beta).slope);
  });
}

template <class T, bool kUsual>
Tensor sums_on_device(const Tensor& x, const Tensor& t, const GaussianFocalOptions& options) {
  using R = compute_t<T>;
  return class_sums<2, R>(x, GaussianTerms<T, kUsual>{x.data<T>(), t.data<T>(), static_cast<R>(options.alpha),
                                                      static_cast<R>(options.beta)});
}

template <class T, bool kUsual>
void slopes_on_device(const Tensor& dx, const Tensor& x, const Tensor& t, const GaussianFocalOptions& options,
                      const Tensor& dy, const Tensor& totals) {
  using R = compute_t<T>;
  launch(x.device(), x.numel(),
         GaussianSlope<T, kUsual>{x.data<T>(),
                                  t.data<T>(),
                                  {dy.data<loss_t<T>>(), totals.data<double>() + 1},
                                  dx.data<T>(),
                                  static_cast<R>(options.alpha),
                                  static_cast<R>(options.beta)});
}

/// The whole loss where the logits lie on a GPU: the host waits for nothing.
Tensor gaussian_on_device(const Tensor& logits, const Tensor& x, const Tensor& t, const GaussianFocalOptions& options,
                          bool usual) {
  const CountedLoss loss = counted_loss(dispatch_floating("gaussian_focal_loss", x.dtype(),
                                                          [&]<class T>() {
                                                            return usual ? sums_on_device<T, true>(x, t, options)
                                                                         : sums_on_device<T, false>(x, t, options);
                                                          }),
                                        x);
  return record(
      "gaussian_focal_loss", loss.value, {logits},
      [x_ = Saved(x), t_ = Saved(t), options, totals = loss.totals, usual](const Tensor& dy, const NeedsGrad&) {
        const Tensor& x = x_.get();
        const Tensor dx = empty(x.sizes(), {x.dtype(), MemoryFormat::ChannelsLast, x.device()});
        dispatch_floating("gaussian_focal_loss", x.dtype(), [&]<class T>() {
          usual ? slopes_on_device<T, true>(dx, x, t_.get(), options, dy, totals)
                : slopes_on_device<T, false>(dx, x, t_.get(), options, dy, totals);
        });
        return Grads{dx};
      });
}

}  // namespace

Tensor gaussian_focal_loss(const Tensor& logits, const Tensor& targets, const GaussianFocalOptions& options) {
  const OpScope scope("gaussian_focal_loss", {{"logits", logits}, {"targets", targets}});
  check_constant("gaussian_focal_loss", {{"targets", targets}});
  check(logits.dim() == 4 && targets.sizes() == logits.sizes() && is_floating_point(targets.dtype()),
        "gaussian_focal_loss: logits {} and targets {}, expected [N,C,H,W] and floating of the same shape",
        describe(logits), describe(targets));
  const Tensor x = ops::contiguous(detach(logits), MemoryFormat::ChannelsLast);
  const Tensor t =
      ops::contiguous(ops::to(ops::to(detach(targets), logits.device()), logits.dtype()), MemoryFormat::ChannelsLast);
  const bool usual = options.alpha == 2.0 && options.beta == 4.0;
  if (!x.device().is_cpu()) return gaussian_on_device(logits, x, t, options, usual);
  const auto [total, peaks] = dispatch_floating("gaussian_focal_loss", logits.dtype(), [&]<class T>() {
    return usual ? forward<T, true>(x, t, options) : forward<T, false>(x, t, options);
  });
  const double normaliser = std::max(1.0, whole_batch_count(peaks));
  return record("gaussian_focal_loss", loss_value(total / normaliser, logits), {logits},
                [x_ = Saved(x), t_ = Saved(t), options, normaliser, usual](const Tensor& dy, const NeedsGrad&) {
                  const Tensor& x = x_.get();
                  Tensor dx = empty(x.sizes(), {x.dtype(), MemoryFormat::ChannelsLast, x.device()});
                  const Tensor scale = gradient_scale(dy, normaliser);
                  dispatch_floating("gaussian_focal_loss", x.dtype(), [&]<class T>() {
                    usual ? backward<T, true>(dx, x, t_.get(), options, scale)
                          : backward<T, false>(dx, x, t_.get(), options, scale);
                  });
                  return Grads{dx};
                });
}

}  // namespace bevgrad
