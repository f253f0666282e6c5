// The losses of label rasters: sigmoid focal and soft Dice.
#include <cmath>
#include <numeric>

#include "nn/losses.h"
#include "nn/losses/class_rows.h"
#include "nn/losses/whole_batch.h"
#include "tensor/element.h"
#include "tensor/elementary.h"

namespace bevgrad {
namespace {

std::vector<double> weights_or_ones(const char* loss, const std::vector<double>& weights, int64_t classes) {
  if (weights.empty()) return std::vector<double>(static_cast<size_t>(classes), 1.0);
  check(static_cast<int64_t>(weights.size()) == classes, "{}: {} class weights were given for {} classes", loss,
        weights.size(), classes);
  return weights;
}

// The targets in the logits' layout; throws where a label is none of 0, 1 and ignore.
Tensor checked_targets(const char* loss, const Tensor& logits, const Tensor& targets) {
  check(logits.dim() == 4 && targets.sizes() == logits.sizes() && targets.dtype() == DType::UInt8,
        "{}: logits {} and targets {}, expected [N,C,H,W] and uint8 of the same shape", loss, describe(logits),
        describe(targets));
  const Tensor dense = ops::contiguous(targets, MemoryFormat::ChannelsLast);
  const uint8_t* t = dense.data<uint8_t>();
  int wrong = 0;
#pragma omp parallel for simd reduction(| : wrong) if (dense.numel() > kParallelGrain)
  for (int64_t i = 0; i < dense.numel(); ++i) wrong |= t[i] > 1 && t[i] != kIgnoredTarget;
  if (wrong)
    for (int64_t i = 0; i < dense.numel(); ++i)
      check(t[i] <= 1 || t[i] == kIgnoredTarget, "{}: a label is {}, expected 0, 1 or {}", loss, t[i], kIgnoredTarget);
  return dense;
}

template <class R>
struct Term {
  R value, slope;  // of one element, and its derivative by the logit
};

// kSquared keeps a call to pow out of the loop for the usual gamma of 2.
template <bool kSquared, class R>
[[gnu::always_inline]] BEVGRAD_HD inline Term<R> focal_term(R x, uint8_t target, R alpha, R gamma) {
  // With s = x at a positive and -x at a negative both cases are -a (1-q)^gamma log q, q = sigmoid(s).
  const bool positive = target == 1;
  const R s = positive ? x : -x;
  const R a = target == kIgnoredTarget ? R(0) : (positive ? alpha : R(1) - alpha);
  const R e = elementary::exp(s < R(0) ? s : -s);  // exp(-|s|)
  const R q = (s < R(0) ? e : R(1)) / (R(1) + e);
  const R rest = (s < R(0) ? R(1) : e) / (R(1) + e);  // 1 - q without cancellation
  const R log_q = (s < R(0) ? s : R(0)) - elementary::log1p(e);
  const R modulation = kSquared ? rest * rest : std::pow(rest, gamma);
  const R slope = a * modulation * (gamma * q * log_q - rest);
  return {-a * modulation * log_q, positive ? slope : -slope};
}

// Adds a block's loss and positives. A function of its own: only then does the compiler turn the loop into vector code.
template <bool kSquared, class T, class R>
void add_focal_block(const T* x, const uint8_t* t, const R* weight, int64_t length, R alpha, R gamma, double& total,
                     double& positives) {
  R sum = 0, count = 0;
#pragma omp simd reduction(+ : sum, count)
  for (int64_t i = 0; i < length; ++i) {
    sum += weight[i] * focal_term<kSquared>(load(x, i), t[i], alpha, gamma).value;
    count += t[i] == 1 ? R(1) : R(0);
  }
  total += sum;
  positives += count;
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
  rows.for_each_block(logits.device(), [&](int64_t chunk, int64_t begin, int64_t length) {
    add_focal_block<kSquared>(x + begin, t + begin, pattern.data(), length, alpha, gamma, sums[chunk], counts[chunk]);
  });
  total = std::accumulate(sums.begin(), sums.end(), 0.0);
  positives = std::accumulate(counts.begin(), counts.end(), 0.0);
}

template <class T, bool kSquared>
void focal_backward(const Tensor& dx, const Tensor& logits, const Tensor& targets, const FocalOptions& options,
                    const std::vector<double>& weights, double scale) {
  using R = compute_t<T>;
  const ClassRows rows(logits);
  const std::vector<R> pattern = rows.repeated<R>(weights);
  const T* x = logits.data<T>();
  const uint8_t* t = targets.data<uint8_t>();
  T* out = dx.data<T>();
  const R alpha = static_cast<R>(options.alpha), gamma = static_cast<R>(options.gamma), factor = static_cast<R>(scale);
  rows.for_each_block(logits.device(), [&](int64_t, int64_t begin, int64_t length) {
    const R* weight = pattern.data();
#pragma omp simd
    for (int64_t i = 0; i < length; ++i)
      store(out, begin + i,
            factor * weight[i] * focal_term<kSquared>(load(x, begin + i), t[begin + i], alpha, gamma).slope);
  });
}

// Sums of p t, p and t of one class.
struct Overlap {
  double both = 0, predicted = 0, present = 0;
};

template <class T>
std::vector<Overlap> overlaps(const Tensor& logits, const Tensor& targets) {
  using R = compute_t<T>;
  const ClassRows rows(logits);
  std::vector<Overlap> partial(static_cast<size_t>(rows.chunks() * rows.classes));
  const T* x = logits.data<T>();
  const uint8_t* t = targets.data<uint8_t>();
  launch(
      logits.device(), rows.chunks(),
      [&](int64_t chunk) {
        // Sums for each place in a block; folded to classes at the end.
        std::vector<R> both(static_cast<size_t>(rows.block), R(0)), predicted(both), present(both);
        const int64_t end = std::min(rows.count, (chunk + 1) * rows.chunk_length());
        for (int64_t begin = chunk * rows.chunk_length(); begin < end; begin += rows.block) {
          const int64_t length = std::min(rows.block, end - begin);
          R *b = both.data(), *p = predicted.data(), *g = present.data();
#pragma omp simd
          for (int64_t i = 0; i < length; ++i) {
            const R valid = t[begin + i] == kIgnoredTarget ? R(0) : R(1);
            const R target = t[begin + i] == 1 ? R(1) : R(0);
            const R probability = valid * elementary::sigmoid(load(x, begin + i));
            b[i] += probability * target;
            p[i] += probability;
            g[i] += target;
          }
        }
        for (int64_t i = 0; i < rows.block; ++i) {
          Overlap& sum = partial[chunk * rows.classes + i % rows.classes];
          sum.both += both[i];
          sum.predicted += predicted[i];
          sum.present += present[i];
        }
      },
      rows.chunk_length());
  std::vector<Overlap> result(static_cast<size_t>(rows.classes));
  for (size_t i = 0; i < partial.size(); ++i) {
    Overlap& sum = result[i % result.size()];
    sum.both += partial[i].both;
    sum.predicted += partial[i].predicted;
    sum.present += partial[i].present;
  }
  return result;
}

// dx = p (1-p) (base + with_target t) per class.
template <class T>
void dice_backward(const Tensor& dx, const Tensor& logits, const Tensor& targets, const std::vector<double>& base,
                   const std::vector<double>& with_target) {
  using R = compute_t<T>;
  const ClassRows rows(logits);
  const std::vector<R> base_pattern = rows.repeated<R>(base), target_pattern = rows.repeated<R>(with_target);
  const T* x = logits.data<T>();
  const uint8_t* t = targets.data<uint8_t>();
  T* out = dx.data<T>();
  rows.for_each_block(logits.device(), [&](int64_t, int64_t begin, int64_t length) {
    const R *a = base_pattern.data(), *b = target_pattern.data();
#pragma omp simd
    for (int64_t i = 0; i < length; ++i) {
      const R p = elementary::sigmoid(load(x, begin + i));
      const R slope = a[i] + (t[begin + i] == 1 ? b[i] : R(0));
      store(out, begin + i, t[begin + i] == kIgnoredTarget ? R(0) : p * (R(1) - p) * slope);
    }
  });
}

Tensor loss_value(double value, const Tensor& logits) {
  const DType dtype = logits.dtype() == DType::Float64 ? DType::Float64 : DType::Float32;
  return scalar(value, {dtype, {}, logits.device()});
}

}  // namespace

Tensor sigmoid_focal_loss(const Tensor& logits, const Tensor& targets, const FocalOptions& options) {
  const Tensor t = checked_targets("sigmoid_focal_loss", logits, targets);
  const auto weights = weights_or_ones("sigmoid_focal_loss", options.class_weights, logits.size(1));
  const Tensor x = ops::contiguous(detach(logits), MemoryFormat::ChannelsLast);
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
        const double scale = dy.item() / normaliser;
        dispatch_floating("sigmoid_focal_loss", x.dtype(), [&]<class T>() {
          squared ? focal_backward<T, true>(dx, x, t_.get(), options, weights, scale)
                  : focal_backward<T, false>(dx, x, t_.get(), options, weights, scale);
        });
        return Grads{dx};
      });
}

Tensor soft_dice_loss(const Tensor& logits, const Tensor& targets, const DiceOptions& options) {
  const Tensor t = checked_targets("soft_dice_loss", logits, targets);
  auto weights = weights_or_ones("soft_dice_loss", options.class_weights, logits.size(1));
  const double weight_sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  check(weight_sum > 0, "soft_dice_loss: the class weights add up to {}", weight_sum);
  for (double& weight : weights) weight /= weight_sum;
  const Tensor x = ops::contiguous(detach(logits), MemoryFormat::ChannelsLast);
  auto sums = dispatch_floating("soft_dice_loss", logits.dtype(), [&]<class T>() { return overlaps<T>(x, t); });
  static_assert(sizeof(Overlap) == 3 * sizeof(double));
  whole_batch_sums({&sums.data()->both, 3 * sums.size()});
  double loss = 0;
  std::vector<double> base, with_target;
  for (size_t c = 0; c < sums.size(); ++c) {
    const double above = 2 * sums[c].both + options.smooth;
    const double below = sums[c].predicted + sums[c].present + options.smooth;
    loss += weights[c] * (1 - above / below);
    base.push_back(weights[c] * above / (below * below));
    with_target.push_back(-2 * weights[c] / below);
  }
  return record("soft_dice_loss", loss_value(loss * whole_batch_share(), logits), {logits},
                [x_ = Saved(x), t_ = Saved(t), base, with_target](const Tensor& dy, const NeedsGrad&) {
                  const Tensor& x = x_.get();
                  Tensor dx = empty(x.sizes(), {x.dtype(), MemoryFormat::ChannelsLast, x.device()});
                  auto a = base, b = with_target;
                  for (double& value : a) value *= dy.item();
                  for (double& value : b) value *= dy.item();
                  dispatch_floating("soft_dice_loss", x.dtype(),
                                    [&]<class T>() { dice_backward<T>(dx, x, t_.get(), a, b); });
                  return Grads{dx};
                });
}

}  // namespace bevgrad
