#include "optim/adafactor.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "autograd/autograd.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

// average += share (now - average)
void move_towards(Tensor& average, const Tensor& now, double share) {
  if (!average.defined()) average = zeros_like(now);
  ops::add_(average, ops::sub(now, average), share);
}

double root_mean_square(const Tensor& x) {
  return std::sqrt(ops::sum_of_squares(x) / static_cast<double>(std::max<int64_t>(x.numel(), 1)));
}

}  // namespace

Adafactor::Adafactor(AdafactorOptions options)
    : Optimizer("Adafactor", {"row_var", "col_var", "variance"}, true), options_(options) {
  if (options_.eps1 == 0) options_.eps1 = std::numeric_limits<float>::epsilon();
}

std::optional<Shape> Adafactor::state_sizes(const OptimizedParameter& parameter, size_t tensor) const {
  Shape sizes = parameter.value.sizes();
  if ((sizes.size() > 1) != (tensor < 2)) return std::nullopt;
  if (tensor == 0) sizes.back() = 1;
  if (tensor == 1) sizes[sizes.size() - 2] = 1;
  return sizes;
}

void Adafactor::update(const OptimizedParameter& parameter, const Tensor& gradient, double lr, ParameterState& state) {
  const NoGradGuard no_grad;
  const Tensor& value = parameter.value;
  constexpr double most = 1e30;
  const double t = static_cast<double>(state.step), renewed = std::pow(t, options_.beta2_decay);
  const double size = std::max(options_.eps2, root_mean_square(value)) * std::min(lr, 1 / std::sqrt(t));
  if (parameter.decays && options_.weight_decay != 0) ops::mul_(value, 1 - lr * options_.weight_decay);
  const Tensor squares = ops::mul(gradient, gradient);
  Tensor estimate;
  if (value.dim() > 1) {
    move_towards(state.tensors[0], ops::mean(squares, {-1}, true), renewed);
    move_towards(state.tensors[1], ops::mean(squares, {-2}, true), renewed);
    const Tensor& rows = state.tensors[0];
    const Tensor scale = ops::clamp(ops::mean(rows, {-2}, true), options_.eps1, most);
    estimate = ops::div(ops::mul(rows, state.tensors[1]), scale);
  } else {
    move_towards(state.tensors[2], squares, renewed);
    estimate = state.tensors[2];
  }
  const Tensor step = ops::div(gradient, ops::sqrt(ops::clamp(estimate, options_.eps1 * options_.eps1, most)));
  ops::add_(value, step, -size / std::max(1.0, root_mean_square(step) / options_.d));
}

Hyperparameters Adafactor::hyperparameters() const {
  return {{"beta2_decay", options_.beta2_decay},
          {"eps", std::vector<double>{options_.eps1, options_.eps2}},
          {"d", options_.d},
          {"weight_decay", options_.weight_decay},
          {"foreach", std::monostate()},
          {"maximize", false}};
}

}  // namespace bevgrad
