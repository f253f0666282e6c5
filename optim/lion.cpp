#include "optim/lion.h"

#include "tensor/host_device.h"
#include "tensor/launch.h"

namespace bevgrad {
namespace {

/// One element of a step.
struct LionElement {
  float* value;
  float* momentum;
  const float* gradient;
  float lr, decay, beta1, beta2;

  BEVGRAD_HD void operator()(int64_t i) const {
    const float m = momentum[i], g = gradient[i];
    const float direction = beta1 * m + (1 - beta1) * g;
    const float sign = direction > 0 ? 1.0f : (direction < 0 ? -1.0f : direction);  // a NaN stays
    value[i] = value[i] * decay - lr * sign;
    momentum[i] = beta2 * m + (1 - beta2) * g;
  }
};

}  // namespace

Lion::Lion(LionOptions options) : Optimizer("Lion", {"exp_avg"}, false), options_(options) {}

void Lion::update(const OptimizedParameter& parameter, const Tensor& gradient, double lr, ParameterState& state) {
  Tensor& momentum = state.tensors[0];
  if (!momentum.defined()) momentum = zeros_like(parameter.value);
  const double decay = parameter.decays ? 1 - lr * options_.weight_decay : 1;
  launch(parameter.value.device(), parameter.value.numel(),
         LionElement{parameter.value.data<float>(), momentum.data<float>(), gradient.data<const float>(),
                     static_cast<float>(lr), static_cast<float>(decay), static_cast<float>(options_.beta1),
                     static_cast<float>(options_.beta2)},
         3);
}

Hyperparameters Lion::hyperparameters() const {
  return {{"betas", std::vector<double>{options_.beta1, options_.beta2}}, {"weight_decay", options_.weight_decay}};
}

}  // namespace bevgrad
