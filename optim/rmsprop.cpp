#include "optim/rmsprop.h"

#include <cmath>

#include "tensor/host_device.h"
#include "tensor/launch.h"

namespace bevgrad {
namespace {

/// One element of a step.
struct RmsPropElement {
  float* value;
  float* square_avg;
  float* buffer;    // null without momentum
  float* grad_avg;  // null unless centred
  const float* gradient;
  float lr, alpha, one_minus_alpha, eps, l2, momentum;

  BEVGRAD_HD void operator()(int64_t i) const {
    const float g = l2 == 0 ? gradient[i] : gradient[i] + l2 * value[i];
    const float squares = square_avg[i] * alpha + one_minus_alpha * g * g;
    square_avg[i] = squares;
    float spread = squares;
    if (grad_avg) {
      const float mean = grad_avg[i] + one_minus_alpha * (g - grad_avg[i]);
      grad_avg[i] = mean;
      spread = squares - mean * mean;
    }
    float move = g / (std::sqrt(spread) + eps);
    if (buffer) move = buffer[i] = momentum * buffer[i] + move;
    value[i] = value[i] - lr * move;
  }
};

std::vector<std::string> state_of(const RmsPropOptions& options) {
  std::vector<std::string> names{"square_avg"};
  if (options.momentum > 0) names.emplace_back("momentum_buffer");
  if (options.centered) names.emplace_back("grad_avg");
  return names;
}

}  // namespace

RmsProp::RmsProp(RmsPropOptions options) : Optimizer("RMSprop", state_of(options), true), options_(options) {}

void RmsProp::update(const OptimizedParameter& parameter, const Tensor& gradient, double lr, ParameterState& state) {
  std::vector<float*> averages;
  for (Tensor& average : state.tensors) {
    if (!average.defined()) average = zeros_like(parameter.value);
    averages.push_back(average.data<float>());
  }
  const RmsPropElement element{parameter.value.data<float>(),
                               averages[0],
                               options_.momentum > 0 ? averages[1] : nullptr,
                               options_.centered ? averages.back() : nullptr,
                               gradient.data<const float>(),
                               static_cast<float>(lr),
                               static_cast<float>(options_.alpha),
                               static_cast<float>(1 - options_.alpha),
                               static_cast<float>(options_.eps),
                               static_cast<float>(parameter.decays ? options_.weight_decay : 0),
                               static_cast<float>(options_.momentum)};
  launch(parameter.value.device(), parameter.value.numel(), element, 4);
}

Hyperparameters RmsProp::hyperparameters() const {
  return {{"momentum", options_.momentum},
          {"alpha", options_.alpha},
          {"eps", options_.eps},
          {"centered", options_.centered},
          {"weight_decay", options_.weight_decay},
          {"capturable", false},
          {"foreach", std::monostate()},
          {"maximize", false},
          {"differentiable", false}};
}

}  // namespace bevgrad
