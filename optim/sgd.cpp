#include "optim/sgd.h"

#include "base/error.h"
#include "tensor/host_device.h"
#include "tensor/launch.h"

namespace bevgrad {
namespace {

/// One element of a step. The scalars are rounded to float once, as PyTorch does.
struct SgdElement {
  float* value;
  float* buffer;  // null without momentum
  const float* gradient;
  float lr;
  float weight_decay;
  float momentum;
  float one_minus_dampening;
  bool nesterov;
  bool is_first;  // the buffer begins as the gradient, undampened

  BEVGRAD_HD void operator()(int64_t i) const {
    float g = weight_decay == 0 ? gradient[i] : gradient[i] + weight_decay * value[i];
    if (buffer) {
      const float b = is_first ? g : buffer[i] * momentum + one_minus_dampening * g;
      buffer[i] = b;
      g = nesterov ? g + momentum * b : b;
    }
    value[i] = value[i] - lr * g;
  }
};

std::vector<std::string> momentum_of(const SgdOptions& options) {
  if (options.momentum == 0) return {};
  return {"momentum_buffer"};
}

}  // namespace

Sgd::Sgd(SgdOptions options) : Optimizer("SGD", momentum_of(options), false), options_(options) {
  if (options.nesterov && (options.momentum <= 0 || options.dampening != 0))
    throw UsageError(
        fmt::format("SGD: Nesterov's momentum with momentum {} and dampening {}, expected momentum above "
                    "0 and dampening 0",
                    options.momentum, options.dampening));
}

void Sgd::update(const OptimizedParameter& parameter, const Tensor& gradient, double lr, ParameterState& state) {
  SgdElement element{parameter.value.data<float>(),
                     nullptr,
                     gradient.data<const float>(),
                     static_cast<float>(lr),
                     static_cast<float>(parameter.decays ? options_.weight_decay : 0.0),
                     static_cast<float>(options_.momentum),
                     static_cast<float>(1.0 - options_.dampening),
                     options_.nesterov,
                     false};
  if (options_.momentum != 0) {
    Tensor& buffer = state.tensors[0];
    element.is_first = !buffer.defined();
    if (element.is_first) buffer = empty_like(parameter.value);
    element.buffer = buffer.data<float>();
  }
  launch(parameter.value.device(), parameter.value.numel(), element, 2);
}

Hyperparameters Sgd::hyperparameters() const {
  return {{"momentum", options_.momentum},
          {"dampening", options_.dampening},
          {"weight_decay", options_.weight_decay},
          {"nesterov", options_.nesterov},
          {"maximize", false},
          {"foreach", std::monostate()},
          {"differentiable", false},
          {"fused", std::monostate()}};
}

}  // namespace bevgrad
