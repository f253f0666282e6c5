// The soft Dice loss of label rasters.
#include <numeric>

#include "losses/internal/class_rows.h"
#include "losses/internal/class_sums.h"
#include "losses/internal/raster_targets.h"
#include "losses/internal/whole_batch.h"
#include "nn/label_checks.h"
#include "tensor/element.h"
#include "tensor/elementary.h"

namespace bevgrad {
namespace {

// Sums of p t, p and t of one class.
struct Overlap {
  double both = 0, predicted = 0, present = 0;
};

// The terms of one element for class_sums, in the order of Overlap; then wrong labels.
template <class T>
struct OverlapTerms {
  using R = compute_t<T>;
  const T* x;
  const uint8_t* t;

  BEVGRAD_HD void operator()(int64_t i, int64_t, R* sums) const {
    const R target = t[i] == 1 ? R(1) : R(0);
    const R probability = t[i] == kIgnoredTarget ? R(0) : elementary::sigmoid(load(x, i));
    sums[0] += probability * target;
    sums[1] += probability;
    sums[2] += target;
    sums[3] += is_wrong_label(t[i]) ? R(1) : R(0);
  }
};

// Of the classes' sums: the loss, and what the gradient needs of each class.
template <class V>
struct DiceOfSums {
  const double* sums;     // [4, classes], in the order of OverlapTerms
  const double* weights;  // add up to 1
  double* base;
  double* with_target;
  double* wrong;
  V* value;
  double smooth, share;
  int64_t classes;

  BEVGRAD_HD void operator()(int64_t) const {
    double loss = 0, labels = 0;
    for (int64_t c = 0; c < classes; ++c) {
      const double above = 2 * sums[c] + smooth, below = sums[classes + c] + sums[2 * classes + c] + smooth;
      loss += weights[c] * (1 - above / below);
      base[c] = weights[c] * above / (below * below);
      with_target[c] = -2 * weights[c] / below;
      labels += sums[3 * classes + c];
    }
    *value = static_cast<V>(loss * share);
    *wrong = labels;
  }
};

// The gradient of one element.
template <class T>
struct DiceSlope {
  using R = compute_t<T>;
  const T* x;
  const uint8_t* t;
  const double* base;
  const double* with_target;
  const loss_t<T>* dy;
  T* dx;
  int64_t classes;

  BEVGRAD_HD void operator()(int64_t i) const {
    const double scale = static_cast<double>(*dy);
    const int64_t c = i % classes;
    const R p = elementary::sigmoid(load(x, i));
    const R slope = static_cast<R>(base[c] * scale) + (t[i] == 1 ? static_cast<R>(with_target[c] * scale) : R(0));
    store(dx, i, t[i] == kIgnoredTarget ? R(0) : p * (R(1) - p) * slope);
  }
};

template <class T>
std::vector<Overlap> overlaps(const Tensor& logits, const Tensor& targets) {
  using R = compute_t<T>;
  const ClassRows rows(logits);
  std::vector<Overlap> partial(static_cast<size_t>(rows.chunks() * rows.classes));
  const T* x = logits.data<T>();
  const uint8_t* t = targets.data<uint8_t>();
  launch_host(
      rows.chunks(),
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
        for (int64_t pixel = 0; pixel < rows.block; pixel += rows.classes) {
          for (int64_t c = 0; c < rows.classes; ++c) {
            Overlap& sum = partial[chunk * rows.classes + c];
            sum.both += both[pixel + c];
            sum.predicted += predicted[pixel + c];
            sum.present += present[pixel + c];
          }
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
void dice_backward(const Tensor& dx, const Tensor& logits, const Tensor& targets, const Tensor& base,
                   const Tensor& with_target) {
  using R = compute_t<T>;
  const ClassRows rows(logits);
  const std::vector<R> base_pattern = rows.repeated<R>(base.to_vector());
  const std::vector<R> target_pattern = rows.repeated<R>(with_target.to_vector());
  const T* x = logits.data<T>();
  const uint8_t* t = targets.data<uint8_t>();
  T* out = dx.data<T>();
  rows.for_each_block([&](int64_t, int64_t begin, int64_t length) {
    const R *a = base_pattern.data(), *b = target_pattern.data();
#pragma omp simd
    for (int64_t i = 0; i < length; ++i) {
      const R p = elementary::sigmoid(load(x, begin + i));
      const R slope = a[i] + (t[begin + i] == 1 ? b[i] : R(0));
      store(out, begin + i, t[begin + i] == kIgnoredTarget ? R(0) : p * (R(1) - p) * slope);
    }
  });
}

/// The whole loss where the logits lie on a GPU: the host waits for nothing. `weights` add up to 1.
Tensor dice_on_device(const Tensor& logits, const Tensor& x, const Tensor& t, double smooth,
                      const std::vector<double>& weights) {
  const Device device = x.device();
  const int64_t classes = x.size(1);
  const Tensor sums = dispatch_floating("soft_dice_loss", x.dtype(), [&]<class T>() {
    return class_sums<4, compute_t<T>>(x, OverlapTerms<T>{x.data<T>(), t.data<uint8_t>()});
  });
  whole_batch_sums(ops::narrow(sums, 0, 0, 3));
  const Tensor found = empty({2 * classes + 1}, {DType::Float64, {}, device});  // base, with_target, wrong labels
  const Tensor value = empty({}, {x.dtype() == DType::Float64 ? DType::Float64 : DType::Float32, {}, device});
  dispatch_floating("soft_dice_loss", value.dtype(), [&]<class V>() {
    double* base = found.data<double>();
    launch(device, 1,
           DiceOfSums<V>{sums.data<double>(), class_numbers(weights, device).data<double>(), base, base + classes,
                         base + 2 * classes, value.data<V>(), smooth, whole_batch_share(), classes});
  });
  DeferredLabelChecks::add({"soft_dice_loss", t, ops::select(found, 0, 2 * classes)});
  return record("soft_dice_loss", value, {logits},
                [x_ = Saved(x), t_ = Saved(t), found](const Tensor& dy, const NeedsGrad&) {
                  const Tensor& x = x_.get();
                  const Tensor dx = empty(x.sizes(), {x.dtype(), MemoryFormat::ChannelsLast, x.device()});
                  dispatch_floating("soft_dice_loss", x.dtype(), [&]<class T>() {
                    const double* base = found.data<double>();
                    launch(x.device(), x.numel(),
                           DiceSlope<T>{x.data<T>(), t_.get().template data<uint8_t>(), base, base + x.size(1),
                                        dy.data<loss_t<T>>(), dx.data<T>(), x.size(1)});
                  });
                  return Grads{dx};
                });
}

}  // namespace

Tensor soft_dice_loss(const Tensor& logits, const Tensor& targets, const DiceOptions& options) {
  const OpScope scope("soft_dice_loss", {{"logits", logits}, {"targets", targets}});
  const Tensor t = checked_targets("soft_dice_loss", logits, targets);
  auto weights = weights_or_ones("soft_dice_loss", options.class_weights, logits.size(1));
  const double weight_sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  check(weight_sum > 0, "soft_dice_loss: the class weights add up to {}", weight_sum);
  for (double& weight : weights) weight /= weight_sum;
  const Tensor x = ops::contiguous(detach(logits), MemoryFormat::ChannelsLast);
  if (!x.device().is_cpu()) return dice_on_device(logits, x, t, options.smooth, weights);
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
                  const Tensor scale = gradient_scale(dy, 1);
                  const auto numbers = [&](const std::vector<double>& values) {
                    return from_values(values, {static_cast<int64_t>(values.size())}, {.dtype = DType::Float64});
                  };
                  const Tensor a = ops::mul(numbers(base), scale), b = ops::mul(numbers(with_target), scale);
                  dispatch_floating("soft_dice_loss", x.dtype(),
                                    [&]<class T>() { dice_backward<T>(dx, x, t_.get(), a, b); });
                  return Grads{dx};
                });
}

}  // namespace bevgrad
