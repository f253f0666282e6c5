// Rows of the usual losses, each against its definition in PyTorch's documentation.
#include "nn/common_losses.h"

#include <cmath>

#include "autograd/functions/softmax.h"
#include "nn/cases/losses.h"

namespace bevgrad::testing {
namespace {

using Tensors = std::vector<Tensor>;

const Shape kSizes = {3, 4};
const std::vector<double> kClassWeights = {1, 0.5, 2, 3};
/// The class of each sample of [3,4,2]; one is ignored.
const std::vector<double> kClasses = {0, 3, 1, -100, 2, 2};

Tensor number(double value) {
  return full({}, value, {DType::Float64});
}

/// The mean of a function of an input and a target.
OpFunction mean_of(std::function<double(double, double)> f) {
  return [f](const Tensors& x) {
    const auto a = x[0].to_vector(), b = x[1].to_vector();
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) sum += f(a[i], b[i]);
    return number(sum / static_cast<double>(a.size()));
  };
}

double huber(double d, double delta) {
  d = std::abs(d);
  return d < delta ? d * d / 2 : delta * (d - delta / 2);
}

ClassLossOptions class_options(const Tensor& like, double smoothing = 0) {
  return {.weight = from_values(kClassWeights, {4}, {like.dtype(), {}, like.device()}), .label_smoothing = smoothing};
}

Tensor classes() {
  return from_values(kClasses, {3, 2}, {DType::Int64});
}

/// Cross entropy of logits [3,4,2] with weights, an ignored target and smoothing; `is_log`: they are log-probabilities.
OpFunction cross_entropy_reference(double smoothing, bool is_log) {
  return [=](const Tensors& x) {
    const auto v = x[0].to_vector();
    double sum = 0, weights = 0;
    for (size_t n = 0; n < 3; ++n)
      for (size_t p = 0; p < 2; ++p) {
        const double target = kClasses[n * 2 + p];
        if (target < 0) continue;
        double total = 0;
        for (size_t c = 0; c < 4; ++c) total += std::exp(v[(n * 4 + c) * 2 + p]);
        const auto loss = [&](size_t c) {
          return -kClassWeights[c] * (v[(n * 4 + c) * 2 + p] - (is_log ? 0 : std::log(total)));
        };
        const auto chosen = static_cast<size_t>(target);
        sum += (1 - smoothing) * loss(chosen);
        for (size_t c = 0; c < 4; ++c) sum += smoothing / 4 * loss(c);
        weights += kClassWeights[chosen];
      }
    return number(sum / weights);
  };
}

}  // namespace

std::vector<OpCase> common_loss_cases() {
  // No element lies on a kink: the distances of |x - t| are kept off 0 and off the thresholds by the ranges.
  const OpInput low = {kSizes, -1, -0.1}, high = {kSizes, 0.1, 1};
  const OpInput share = {kSizes, 0.1, 0.9};
  const OpInput logits = {{3, 4, 2}, -2, 2};
  return {
      {.op = "mse_loss",
       .inputs = {{kSizes}, {kSizes}},
       .function = [](const Tensors& x) { return mse_loss(x[0], x[1]); },
       .reference = mean_of([](double a, double b) { return (a - b) * (a - b); }),
       .errors = {{[] { mse_loss(zeros({2}), zeros({3})); }, "mse_loss"}}},
      {.op = "l1_loss",
       .inputs = {low, high},
       .function = [](const Tensors& x) { return l1_loss(x[0], x[1]); },
       .reference = mean_of([](double a, double b) { return std::abs(a - b); })},
      {.op = "smooth_l1_loss",
       .inputs = {low, high},
       .function = [](const Tensors& x) { return smooth_l1_loss(x[0], x[1], 3); },
       .reference = mean_of([](double a, double b) { return huber(a - b, 3) / 3; }),
       .errors = {{[] { smooth_l1_loss(zeros({2}), zeros({2}), -1); }, "beta is -1"}}},
      {.op = "huber_loss",
       .variant = "near",
       .inputs = {low, high},
       .function = [](const Tensors& x) { return huber_loss(x[0], x[1], 2.5); },
       .reference = mean_of([](double a, double b) { return huber(a - b, 2.5); })},
      {.op = "huber_loss",
       .variant = "far",
       .inputs = {low, high},
       .function = [](const Tensors& x) { return huber_loss(x[0], x[1], 0.15); },
       .reference = mean_of([](double a, double b) { return huber(a - b, 0.15); }),
       .errors = {{[] { huber_loss(zeros({2}), zeros({2}), 0); }, "delta is 0"}}},
      {.op = "kl_div",
       .inputs = {low, share},
       .function = [](const Tensors& x) { return kl_div(x[0], x[1]); },
       .reference = mean_of([](double x, double t) { return t * (std::log(t) - x); })},
      {.op = "binary_cross_entropy",
       .inputs = {share, share},
       .function = [](const Tensors& x) { return binary_cross_entropy(x[0], x[1]); },
       .reference = mean_of([](double p, double t) { return -(t * std::log(p) + (1 - t) * std::log(1 - p)); })},
      {.op = "binary_cross_entropy_with_logits",
       .inputs = {{kSizes, -3, 3, 0.1}, share},
       .function =
           [](const Tensors& x) {
             return binary_cross_entropy_with_logits(x[0], x[1], full({4}, 2.5, {x[0].dtype(), {}, x[0].device()}));
           },
       .reference = mean_of([](double x, double t) {
         const double p = 1 / (1 + std::exp(-x));
         return -(2.5 * t * std::log(p) + (1 - t) * std::log(1 - p));
       })},
      {.op = "nll_loss",
       .inputs = {{{3, 4, 2}, -3, -0.1}},
       .function = [](const Tensors& x) { return nll_loss(x[0], classes(), class_options(x[0])); },
       .reference = cross_entropy_reference(0, true),
       .errors = {{[] {
                     nll_loss(zeros({2, 3}), full({2}, 3, {DType::Int64}));
                   },
                   "expected 0 to 2"}}},
      {.op = "cross_entropy",
       .inputs = {logits},
       .function = [](const Tensors& x) { return cross_entropy(x[0], classes(), class_options(x[0])); },
       .reference = cross_entropy_reference(0, false)},
      {.op = "cross_entropy",
       .variant = "smoothed",
       .inputs = {logits},
       .function = [](const Tensors& x) { return cross_entropy(x[0], classes(), class_options(x[0], 0.3)); },
       .reference = cross_entropy_reference(0.3, false),
       .errors = {{[] {
                     cross_entropy(zeros({2, 3}), zeros({2}, {DType::Int64}), {.label_smoothing = 2});
                   },
                   "label_smoothing is 2"}}},
      {.op = "cross_entropy",
       .variant = "probabilities",
       .inputs = {logits, {{3, 4, 2}, 0.1, 0.9}},
       .function = [](const Tensors& x) { return cross_entropy(x[0], x[1], {.label_smoothing = 0.2}); },
       .reference =
           [](const Tensors& x) {
             const auto v = x[0].to_vector(), t = x[1].to_vector();
             double sum = 0;
             for (size_t n = 0; n < 3; ++n)
               for (size_t p = 0; p < 2; ++p) {
                 double total = 0;
                 for (size_t c = 0; c < 4; ++c) total += std::exp(v[(n * 4 + c) * 2 + p]);
                 for (size_t c = 0; c < 4; ++c) {
                   const size_t i = (n * 4 + c) * 2 + p;
                   sum -= (0.8 * t[i] + 0.05) * (v[i] - std::log(total));
                 }
               }
             return number(sum / 6);
           }},
  };
}

}  // namespace bevgrad::testing
