#include "optim/adamw.h"

#include <cmath>

#include "tensor/host_device.h"
#include "tensor/launch.h"

namespace bevgrad {
namespace {

/// One element of a step. The scalars are rounded to float once, as PyTorch does.
struct AdamWElement {
  float* value;
  float* exp_avg;
  float* exp_avg_sq;
  const float* gradient;
  float decay;  // 1 - lr * weight_decay
  float lerp;   // 1 - beta1
  float beta2;
  float one_minus_beta2;
  float step_size;   // lr / (1 - beta1^t)
  float correction;  // sqrt(1 - beta2^t)
  float eps;

  BEVGRAD_HD void operator()(int64_t i) const {
    const float g = gradient[i];
    const float m = exp_avg[i] + lerp * (g - exp_avg[i]);
    const float v = exp_avg_sq[i] * beta2 + one_minus_beta2 * g * g;
    exp_avg[i] = m;
    exp_avg_sq[i] = v;
    value[i] = value[i] * decay - step_size * (m / (std::sqrt(v) / correction + eps));
  }
};

}  // namespace

AdamW::AdamW(AdamWOptions options) : Optimizer("AdamW", {"exp_avg", "exp_avg_sq"}, true), options_(options) {}

void AdamW::update(const OptimizedParameter& parameter, const Tensor& gradient, double lr, ParameterState& state) {
  Tensor& exp_avg = state.tensors[0];
  Tensor& exp_avg_sq = state.tensors[1];
  if (!exp_avg.defined()) {
    exp_avg = zeros_like(parameter.value);
    exp_avg_sq = zeros_like(parameter.value);
  }
  const double t = static_cast<double>(state.step);
  const double decay = parameter.decays ? 1.0 - lr * options_.weight_decay : 1.0;
  const AdamWElement element{parameter.value.data<float>(),
                             exp_avg.data<float>(),
                             exp_avg_sq.data<float>(),
                             gradient.data<const float>(),
                             static_cast<float>(decay),
                             static_cast<float>(1.0 - options_.beta1),
                             static_cast<float>(options_.beta2),
                             static_cast<float>(1.0 - options_.beta2),
                             static_cast<float>(lr / (1.0 - std::pow(options_.beta1, t))),
                             static_cast<float>(std::sqrt(1.0 - std::pow(options_.beta2, t))),
                             static_cast<float>(options_.eps)};
  launch(parameter.value.device(), parameter.value.numel(), element, 4);
}

Hyperparameters AdamW::hyperparameters() const {
  return {{"betas", std::vector<double>{options_.beta1, options_.beta2}},
          {"eps", options_.eps},
          {"weight_decay", options_.weight_decay},
          {"amsgrad", false},
          {"maximize", false},
          {"foreach", std::monostate()},
          {"capturable", false},
          {"differentiable", false},
          {"fused", std::monostate()}};
}

}  // namespace bevgrad
