// The sigmoid focal loss of label rasters.
#include <numeric>

#include "losses/internal/class_rows.h"
#include "losses/internal/class_sums.h"
#include "losses/internal/focal_term.h"
#include "losses/internal/raster_targets.h"
#include "losses/internal/whole_batch.h"
#include "nn/label_checks.h"
#include "tensor/element.h"

namespace bevgrad {
namespace {

template <bool kSquared, class R>
[[gnu::always_inline]] BEVGRAD_HD inline FocalTerm<R> label_focal_term(R x, uint8_t target, R alpha, R gamma) {
  const bool positive = target == 1;
  const R a = target == kIgnoredTarget ? R(0) : (positive ? alpha : R(1) - alpha);
  return focal_term<kSquared>(x, positive, a, gamma);
}

// Adds a block's loss and positives. A function of its own: only then does the compiler turn the loop into vector code.
template <bool kSquared, class T, class R>
void add_focal_block(const T* x, const uint8_t* t, const R* weight, int64_t length, R alpha, R gamma, double& total,
                     double& positives) {
  R sum = 0, count = 0;
#pragma omp simd reduction(+ : sum, count)
  for (int64_t i = 0; i < length; ++i) {
    sum += weight[i] * label_focal_term<kSquared>(load(x, i), t[i], alpha, gamma).value;
    count += t[i] == 1 ? R(1) : R(0);
  }
  total += sum;
  positives += count;
}

// The terms of one element for class_sums: loss, positives, wrong labels.
template <class T, bool kSquared>
struct FocalTerms {
  using R = compute_t<T>;
  const T* x;
  const uint8_t* t;
  const double* weights;
  R alpha, gamma;

  BEVGRAD_HD void operator()(int64_t i, int64_t c, R* sums) const {
    sums[0] += static_cast<R>(weights[c]) * label_focal_term<kSquared>(load(x, i), t[i], alpha, gamma).value;
    sums[1] += t[i] == 1 ? R(1) : R(0);
    sums[2] += is_wrong_label(t[i]) ? R(1) : R(0);
  }
};

// The gradient of one element.
template <class T, bool kSquared>
struct FocalSlope {
  using R = compute_t<T>;
  const T* x;
  const uint8_t* t;
  const double* weights;
  CountedScale<loss_t<T>> scale;
  T* dx;
  R alpha, gamma;
  int64_t classes;

  BEVGRAD_HD void operator()(int64_t i) const {
    const R weight = static_cast<R>(weights[i % classes]);
    store(dx, i, static_cast<R>(scale()) * weight * label_focal_term<kSquared>(load(x, i), t[i], alpha, gamma).slope);
  }
};

template <class T, bool kSquared>
Tensor focal_sums(const Tensor& logits, const Tensor& targets, const FocalOptions& options,
                  const std::vector<double>& weights) {
  using R = compute_t<T>;
  const FocalTerms<T, kSquared> terms{logits.data<T>(), targets.data<uint8_t>(),
                                      class_numbers(weights, logits.device()).data<double>(),
                                      static_cast<R>(options.alpha), static_cast<R>(options.gamma)};
  return class_sums<3, R>(logits, terms);
}

template <class T, bool kSquared>
void focal_slopes(const Tensor& dx, const Tensor& logits, const Tensor& targets, const FocalOptions& options,
                  const std::vector<double>& weights, const Tensor& dy, const Tensor& totals) {
  using R = compute_t<T>;
  launch(logits.device(), logits.numel(),
         FocalSlope<T, kSquared>{logits.data<T>(),
                                 targets.data<uint8_t>(),
                                 class_numbers(weights, logits.device()).data<double>(),
                                 {dy.data<loss_t<T>>(), totals.data<double>() + 1},
                                 dx.data<T>(),
                                 static_cast<R>(options.alpha),
                                 static_cast<R>(options.gamma),
                                 logits.size(1)});
}

/// The whole loss where the logits lie on a GPU: the host waits for nothing.
Tensor focal_on_device(const Tensor& logits, const Tensor& x, const Tensor& t, const FocalOptions& options,
                       const std::vector<double>& weights) {
  const bool squared = options.gamma == 2.0;
  const Tensor sums = dispatch_floating("sigmoid_focal_loss", x.dtype(), [&]<class T>() {
    return squared ? focal_sums<T, true>(x, t, options, weights) : focal_sums<T, false>(x, t, options, weights);
  });
  const CountedLoss loss = counted_loss(sums, x);
  DeferredLabelChecks::add({"sigmoid_focal_loss", t, ops::select(loss.totals, 0, 2)});
  return record("sigmoid_focal_loss", loss.value, {logits},
                [x_ = Saved(x), t_ = Saved(t), options, weights, totals = loss.totals, squared](const Tensor& dy,
                                                                                                const NeedsGrad&) {
                  const Tensor& x = x_.get();
                  const Tensor dx = empty(x.sizes(), {x.dtype(), MemoryFormat::ChannelsLast, x.device()});
                  dispatch_floating("sigmoid_focal_loss", x.dtype(), [&]<class T>() {
                    squared ? focal_slopes<T, true>(dx, x, t_.get(), options, weights, dy, totals)
                            : focal_slopes<T, false>(dx, x, t_.get(), options, weights, dy, totals);
                  });
                  return Grads{dx};
                });
}

template <class T, bool kSquared>
void focal_forward(const Tensor& logits, const Tensor& targets, const FocalOptions& options,
                   const std::vector<double>& weights, double& total, double& positives) {
  using R = compute_t<T>;
  const ClassRows rows(logits);
  const std::vector<R> pattern = rows.repeated<R>(weights);
  std::vector<double> sums(static_cast<size_t>(rows.chunks()), 0.0), counts(sums);
  const T* x = logits.data<T>();
  const uint8_t* t = targets.data<uint8_t>();
  const R alpha = static_cast<R>(options.alpha), gamma = static_cast<R>(options.gamma);
  rows.for_each_block([&](int64_t chunk, int64_t begin, int64_t length) {
    add_focal_block<kSquared>(x + begin, t + begin, pattern.data(), length, alpha, gamma, sums[chunk], counts[chunk]);
  });
  total = std::accumulate(sums.begin(), sums.end(), 0.0);
  positives = std::accumulate(counts.begin(), counts.end(), 0.0);
}

template <class T, bool kSquared>
void focal_backward(const Tensor& dx, const Tensor& logits, const Tensor& targets, const FocalOptions& options,
                    const std::vector<double>& weights, const Tensor& scale) {
  using R = compute_t<T>;
  const ClassRows rows(logits);
  const std::vector<R> pattern = rows.repeated<R>(weights);
  const T* x = logits.data<T>();
  const uint8_t* t = targets.data<uint8_t>();
  T* out = dx.data<T>();
  const R alpha = static_cast<R>(options.alpha), gamma = static_cast<R>(options.gamma),
          factor = static_cast<R>(scale.item());
  rows.for_each_block([&](int64_t, int64_t begin, int64_t length) {
    const R* weight = pattern.data();
#pragma omp simd
    for (int64_t i = 0; i < length; ++i)
      store(out, begin + i,
            factor * weight[i] * label_focal_term<kSquared>(load(x, begin + i), t[begin + i], alpha, gamma).slope);
  });
}

}  // namespace

Tensor sigmoid_focal_loss(const Tensor& logits, const Tensor& targets, const FocalOptions& options) {
  const OpScope scope("sigmoid_focal_loss", {{"logits", logits}, {"targets", targets}});
  const Tensor t = checked_targets("sigmoid_focal_loss", logits, targets);
  const auto weights = weights_or_ones("sigmoid_focal_loss", options.class_weights, logits.size(1));
  const Tensor x = ops::contiguous(detach(logits), MemoryFormat::ChannelsLast);
  if (!x.device().is_cpu()) return focal_on_device(logits, x, t, options, weights);
  const bool squared = options.gamma == 2.0;
  double total = 0, positives = 0;
  dispatch_floating("sigmoid_focal_loss", logits.dtype(), [&]<class T>() {
    squared ? focal_forward<T, true>(x, t, options, weights, total, positives)
            : focal_forward<T, false>(x, t, options, weights, total, positives);
  });
  const double normaliser = std::max(1.0, whole_batch_count(positives));
  return record(
      "sigmoid_focal_loss", loss_value(total / normaliser, logits), {logits},
      [x_ = Saved(x), t_ = Saved(t), options, weights, normaliser, squared](const Tensor& dy, const NeedsGrad&) {
        const Tensor& x = x_.get();
        Tensor dx = empty(x.sizes(), {x.dtype(), MemoryFormat::ChannelsLast, x.device()});
        const Tensor scale = gradient_scale(dy, normaliser);
        dispatch_floating("sigmoid_focal_loss", x.dtype(), [&]<class T>() {
          squared ? focal_backward<T, true>(dx, x, t_.get(), options, weights, scale)
                  : focal_backward<T, false>(dx, x, t_.get(), options, weights, scale);
        });
        return Grads{dx};
      });
}

}  // namespace bevgrad
