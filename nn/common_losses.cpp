#include "nn/common_losses.h"

#include <cmath>

#include "autograd/constant.h"
#include "autograd/double_backward.h"
#include "autograd/functions/elementary.h"
#include "autograd/functions/indexing.h"
#include "autograd/functions/operators.h"
#include "autograd/functions/pointwise.h"
#include "autograd/functions/reduce.h"
#include "autograd/functions/shape.h"
#include "autograd/functions/softmax.h"
#include "autograd/functions/where.h"
#include "tensor/activation_functors.h"
#include "tensor/pointwise.h"

namespace bevgrad {
namespace {

Tensor reduced(const Tensor& losses, Reduction reduction) {
  if (reduction == Reduction::None) return losses;
  return reduction == Reduction::Sum ? sum(losses) : mean(losses);
}

void check_like(const char* op, const Tensor& x, const Tensor& targets) {
  tape::check_defined(op, {{"the input", x}, {"targets", targets}});
  check(targets.sizes() == x.sizes() && targets.dtype() == x.dtype() && targets.device() == x.device(),
        "{}: the input is {}, the targets {}; expected the same", op, describe(x), describe(targets));
}

// The mean of smoothed or plain class losses divides by the sum of the targets' weights.
Tensor class_reduced(const Tensor& losses, const Tensor& weights, Reduction reduction) {
  if (reduction == Reduction::None) return losses;
  return reduction == Reduction::Sum ? sum(losses) : div(sum(losses), sum(weights));
}

struct ClassTargets {
  Tensor index;    // int64, 1 in place of the class dimension; 0 where ignored
  Tensor weights;  // of the input's dtype, without the class dimension; 0 where ignored
};

ClassTargets class_targets(const char* op, const Tensor& x, const Tensor& targets, const ClassLossOptions& options) {
  Shape sizes = x.sizes();
  sizes.erase(sizes.begin() + 1);
  check(targets.dtype() == DType::Int64 && targets.sizes() == sizes,
        "{}: the targets are {}, expected int64 {} for an input {}", op, describe(targets), to_string(sizes),
        describe(x));
  const int64_t classes = x.size(1);
  check_constant(op, {{"weight", options.weight}});
  check(!options.weight.defined() || (options.weight.sizes() == Shape{classes} && options.weight.dtype() == x.dtype()),
        "{}: the weight is {}, expected {} [{}]", op, describe(options.weight), name(x.dtype()), classes);
  const std::vector<double> by_class =
      options.weight.defined() ? options.weight.to_vector() : std::vector<double>(static_cast<size_t>(classes), 1.0);
  std::vector<double> values = targets.to_vector(), weights(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    const bool ignored = values[i] == static_cast<double>(options.ignore_index);
    check(ignored || (values[i] >= 0 && values[i] < static_cast<double>(classes)),
          "{}: target {} is {}, expected 0 to {} or {} (ignored)", op, i, values[i], classes - 1, options.ignore_index);
    if (ignored) values[i] = 0;
    weights[i] = ignored ? 0.0 : by_class[static_cast<size_t>(values[i])];
  }
  return {ops::unsqueeze(from_values(values, sizes, {DType::Int64, {}, x.device()}), 1),
          from_values(weights, sizes, {x.dtype(), {}, x.device()})};
}

// [C] and a scalar target are a batch of one.
bool is_single(const Tensor& x) {
  return x.dim() == 1;
}

Tensor unbatched(const Tensor& losses, Reduction reduction) {
  return reduction == Reduction::None ? reshape(losses, {}) : losses;
}

}  // namespace

Tensor nll_loss(const Tensor& log_probabilities, const Tensor& targets, const ClassLossOptions& options) {
  tape::check_defined("nll_loss", {{"the input", log_probabilities}, {"targets", targets}});
  if (is_single(log_probabilities))
    return unbatched(nll_loss(unsqueeze(log_probabilities, 0), ops::reshape(targets, {1}), options), options.reduction);
  check(log_probabilities.dim() >= 2, "nll_loss: the input is {}, expected [N,C,..]", describe(log_probabilities));
  check(options.label_smoothing == 0, "nll_loss: label_smoothing is cross_entropy's");
  const ClassTargets t = class_targets("nll_loss", log_probabilities, targets, options);
  const Tensor picked = squeeze(gather(log_probabilities, 1, t.index), 1);
  // What is ignored is left out, infinite values too.
  const Tensor losses = where(eq(t.weights, 0.0), zeros_like(t.weights), neg(mul(picked, t.weights)));
  return class_reduced(losses, t.weights, options.reduction);
}

Tensor cross_entropy(const Tensor& logits, const Tensor& targets, const ClassLossOptions& options) {
  tape::check_defined("cross_entropy", {{"the input", logits}, {"targets", targets}});
  if (is_single(logits)) {
    const Tensor one = targets.dim() == 0 ? ops::reshape(targets, {1}) : unsqueeze(targets, 0);
    return unbatched(cross_entropy(unsqueeze(logits, 0), one, options), options.reduction);
  }
  check(logits.dim() >= 2, "cross_entropy: the input is {}, expected [N,C,..]", describe(logits));
  const double smoothing = options.label_smoothing;
  check(smoothing >= 0 && smoothing <= 1, "cross_entropy: label_smoothing is {}, expected 0 to 1", smoothing);
  const Tensor log_p = log_softmax(logits, 1);
  const auto classes = static_cast<double>(logits.size(1));
  Shape broadcast(logits.sizes().size(), 1);
  broadcast[1] = logits.size(1);
  const Tensor weighted = options.weight.defined() ? mul(log_p, reshape(options.weight, broadcast)) : log_p;
  if (targets.sizes() == logits.sizes() && is_floating_point(targets.dtype())) {
    check_like("cross_entropy", logits, targets);
    const Tensor smoothed = smoothing > 0 ? add(mul(targets, 1 - smoothing), smoothing / classes) : targets;
    const Tensor losses = neg(sum(mul(weighted, smoothed), {1}));
    if (options.reduction != Reduction::Mean) return reduced(losses, options.reduction);
    return div(sum(losses), static_cast<double>(losses.numel()));
  }
  ClassLossOptions plain = options;
  plain.label_smoothing = 0;
  if (smoothing == 0) return nll_loss(log_p, targets, plain);
  plain.reduction = Reduction::None;
  const Tensor exact = nll_loss(log_p, targets, plain);
  const ClassTargets t = class_targets("cross_entropy", logits, targets, options);
  const Tensor ignored = ops::to(eq(targets, static_cast<double>(options.ignore_index)), logits.device());
  const Tensor even = masked_fill(neg(sum(weighted, {1})), ignored, 0.0);
  return class_reduced(add(mul(exact, 1 - smoothing), mul(even, smoothing / classes)), t.weights, options.reduction);
}

namespace {

Tensor bounded_log(const Tensor& p) {
  const Tensor least = full({}, -100.0, {p.dtype(), {}, p.device()});
  return pointwise::zip("binary_cross_entropy", ops::log(p), least, functors::Maximum{});
}

Tensor rest_of(const Tensor& p) {
  return ops::add(ops::neg(p), 1.0);
}

Grads recorded_entropy_gradients(const Tensor& dy, const Tensor& p, const Tensor& targets) {
  const Tensor rest = 1.0 - p, least = full({}, -100.0, {p.dtype(), {}, p.device()});
  return {dy * ((p - targets) / clamp(p * rest, 1e-12, 1.0)),
          dy * (maximum(log(rest), least) - maximum(log(p), least))};
}

}  // namespace

Tensor binary_cross_entropy(const Tensor& probabilities, const Tensor& targets, Reduction reduction) {
  check_like("binary_cross_entropy", probabilities, targets);
  Tensor losses;
  {
    const OpScope scope("binary_cross_entropy");
    const Tensor of_one = bounded_log(probabilities), of_zero = bounded_log(rest_of(probabilities));
    losses = ops::neg(ops::add(ops::mul(targets, of_one), ops::mul(rest_of(targets), of_zero)));
    losses = record("binary_cross_entropy", losses, {probabilities, targets},
                    twice([p_ = Saved(probabilities), t_ = Saved(targets)](const Tensor& dy, const NeedsGrad& needs) {
                      const Tensor p = rule::input(0, p_.get()), t = rule::input(1, t_.get());
                      if (rule::is_recorded()) return recorded_entropy_gradients(dy, p, t);
                      Grads grads(2);
                      if (needs[0]) {
                        // Finite where p is 0 or 1, as in PyTorch.
                        const Tensor spread = ops::clamp(ops::mul(p, rest_of(p)), 1e-12, 1.0);
                        grads[0] = ops::mul(dy, ops::div(ops::sub(p, t), spread));
                      }
                      if (needs[1]) grads[1] = ops::mul(dy, ops::sub(bounded_log(rest_of(p)), bounded_log(p)));
                      return grads;
                    }));
  }
  return reduced(losses, reduction);
}

namespace {

// One functor for the losses, one for their slope in the first input, which `slope_of` gives of x - targets by
// differentiable functions; the slope in the second is the same with the other sign.
template <class Loss, class Slope, class OfDifference>
Tensor of_difference(const char* op, const Tensor& x, const Tensor& targets, const Loss& loss, const Slope& slope,
                     const OfDifference& slope_of) {
  const OpScope scope(op);
  return record(
      op, pointwise::zip(op, x, targets, loss), {x, targets},
      twice([op, x_ = Saved(x), t_ = Saved(targets), slope, slope_of](const Tensor& dy, const NeedsGrad& needs) {
        if (rule::is_recorded()) {
          const Tensor dx = dy * slope_of(rule::input(0, x_.get()) - rule::input(1, t_.get()));
          return Grads{dx, -dx};
        }
        const Tensor dx = ops::mul(dy, pointwise::zip(op, x_.get(), t_.get(), slope));
        return Grads{dx, needs[1] ? ops::neg(dx) : Tensor()};
      }));
}

// log(1 + exp(-x)) = max(-x, 0) + log(1 + exp(-|x|)), and the target's part.
struct LogitLoss {
  template <class T>
  BEVGRAD_HD T operator()(T x, T t) const {
    return (T(1) - t) * x + (x < T(0) ? -x : T(0)) + elementary::log1p_of_unit(elementary::exp(-std::abs(x)));
  }
};
struct LogitSlope {
  template <class T>
  BEVGRAD_HD T operator()(T x, T t) const {
    return elementary::sigmoid(x) - t;
  }
};

struct SquaredDistance {
  template <class T>
  BEVGRAD_HD T operator()(T x, T t) const {
    return (x - t) * (x - t);
  }
};
struct TwiceDifference {
  template <class T>
  BEVGRAD_HD T operator()(T x, T t) const {
    return T(2) * (x - t);
  }
};

struct HuberLoss {
  double delta;
  template <class T>
  BEVGRAD_HD T operator()(T x, T t) const {
    const T bound = static_cast<T>(delta), distance = std::abs(x - t);
    return distance < bound ? T(0.5) * distance * distance : bound * (distance - T(0.5) * bound);
  }
};
struct HuberSlope {
  double delta;
  template <class T>
  BEVGRAD_HD T operator()(T x, T t) const {
    const T bound = static_cast<T>(delta), difference = x - t;
    return difference > bound ? bound : (difference < -bound ? -bound : difference);
  }
};

}  // namespace

Tensor binary_cross_entropy_with_logits(const Tensor& logits, const Tensor& targets, const Tensor& positive_weight,
                                        Reduction reduction) {
  constexpr const char* op = "binary_cross_entropy_with_logits";
  check_like(op, logits, targets);
  if (!positive_weight.defined()) {
    const OpScope scope(op);
    const Tensor losses =
        record(op, pointwise::zip(op, logits, targets, LogitLoss{}), {logits, targets},
               twice([x_ = Saved(logits), t_ = Saved(targets)](const Tensor& dy, const NeedsGrad& needs) {
                 const Tensor x = rule::input(0, x_.get()), targets = rule::input(1, t_.get());
                 if (rule::is_recorded()) return Grads{dy * (sigmoid(x) - targets), -(dy * x)};
                 const Tensor slope = pointwise::zip(op, x, targets, LogitSlope{});
                 return Grads{ops::mul(dy, slope), needs[1] ? ops::neg(ops::mul(dy, x)) : Tensor()};
               }));
    return reduced(losses, reduction);
  }
  const Tensor softplus_neg = add(relu(neg(logits)), log1p(exp(neg(abs(logits)))));
  const Tensor rest = mul(add(neg(targets), 1.0), logits);
  const Tensor factor = add(mul(sub(positive_weight, 1.0), targets), 1.0);
  return reduced(add(rest, mul(factor, softplus_neg)), reduction);
}

Tensor mse_loss(const Tensor& x, const Tensor& targets, Reduction reduction) {
  check_like("mse_loss", x, targets);
  return reduced(of_difference("mse_loss", x, targets, SquaredDistance{}, TwiceDifference{},
                               [](const Tensor& difference) { return difference * 2.0; }),
                 reduction);
}

Tensor l1_loss(const Tensor& x, const Tensor& targets, Reduction reduction) {
  check_like("l1_loss", x, targets);
  return reduced(abs(sub(x, targets)), reduction);
}

Tensor smooth_l1_loss(const Tensor& x, const Tensor& targets, double beta, Reduction reduction) {
  check_like("smooth_l1_loss", x, targets);
  check(beta >= 0, "smooth_l1_loss: beta is {}, expected 0 or more", beta);
  if (beta == 0) return l1_loss(x, targets, reduction);
  return div(huber_loss(x, targets, beta, reduction), beta);
}

Tensor huber_loss(const Tensor& x, const Tensor& targets, double delta, Reduction reduction) {
  check_like("huber_loss", x, targets);
  check(delta > 0, "huber_loss: delta is {}, expected a positive number", delta);
  return reduced(of_difference("huber_loss", x, targets, HuberLoss{delta}, HuberSlope{delta},
                               [delta](const Tensor& difference) { return clamp(difference, -delta, delta); }),
                 reduction);
}

Tensor kl_div(const Tensor& x, const Tensor& targets, Reduction reduction) {
  check_like("kl_div", x, targets);
  const Tensor nothing = eq(targets, 0.0);
  const Tensor safe = masked_fill(targets, nothing, 1.0);
  const Tensor losses = mul(targets, sub(log(safe), x));
  return reduced(losses, reduction);
}

}  // namespace bevgrad
