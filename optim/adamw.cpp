#include "optim/adamw.h"

#include "internal/adam_step.h"

namespace bevgrad {

AdamW::AdamW(AdamWOptions options) : Optimizer("AdamW", {"exp_avg", "exp_avg_sq"}, true), options_(options) {}

void AdamW::update(const OptimizedParameter& parameter, const Tensor& gradient, double lr, ParameterState& state) {
  adam_step({.lr = lr,
             .beta1 = options_.beta1,
             .beta2 = options_.beta2,
             .eps = options_.eps,
             .decoupled_decay = parameter.decays ? options_.weight_decay : 0,
             .step = state.step},
            parameter.value, gradient, state.tensors[0], state.tensors[1]);
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
