#include "optim/muon.h"

#include <algorithm>
#include <cmath>

#include "autograd/autograd.h"
#include "internal/adam_step.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

bool is_matrix(const Tensor& value) {
  return value.dim() >= 2;
}

// An orthogonal matrix near the direction of `x` [m,n]: its singular values are brought to about 1 by a polynomial of
// fifth order, whose coefficients are Jordan's.
Tensor orthogonalised(const Tensor& x, int steps, double eps) {
  constexpr double a = 3.4445, b = -4.7750, c = 2.0315;
  const bool tall = x.size(0) > x.size(1);
  Tensor y = tall ? ops::contiguous(ops::transpose(x, 0, 1)) : x;
  y = ops::div(y, std::max(std::sqrt(ops::sum_of_squares(y)), eps));
  for (int i = 0; i < steps; ++i) {
    const Tensor gram = ops::matmul(y, y, false, true);
    const Tensor mix = ops::add(ops::mul(gram, b), ops::mul(ops::matmul(gram, gram), c));
    y = ops::add(ops::mul(y, a), ops::matmul(mix, y));
  }
  return tall ? ops::transpose(y, 0, 1) : y;
}

}  // namespace

Muon::Muon(MuonOptions options)
    : Optimizer("Muon", {"momentum_buffer", "exp_avg", "exp_avg_sq"}, true), options_(options) {}

std::optional<Shape> Muon::state_sizes(const OptimizedParameter& parameter, size_t tensor) const {
  if (is_matrix(parameter.value) != (tensor == 0)) return std::nullopt;
  return parameter.value.sizes();
}

void Muon::update(const OptimizedParameter& parameter, const Tensor& gradient, double lr, ParameterState& state) {
  const Tensor& value = parameter.value;
  if (!is_matrix(value))
    return adam_step({.lr = lr,
                      .beta1 = options_.adamw.beta1,
                      .beta2 = options_.adamw.beta2,
                      .eps = options_.adamw.eps,
                      .decoupled_decay = parameter.decays ? options_.adamw.weight_decay : 0,
                      .step = state.step},
                     value, gradient, state.tensors[1], state.tensors[2]);
  const NoGradGuard no_grad;
  Tensor& buffer = state.tensors[0];
  if (!buffer.defined()) buffer = zeros_like(value);
  const double moves = 1 - options_.momentum;
  ops::add_(buffer, ops::sub(gradient, buffer), moves);
  const Tensor direction =
      options_.nesterov ? ops::add(ops::mul(gradient, moves), ops::mul(buffer, options_.momentum)) : buffer;
  const int64_t rows = value.size(0), columns = value.numel() / std::max<int64_t>(rows, 1);
  const Tensor flat = ops::contiguous(ops::reshape(direction, {rows, columns}));
  const double sides[] = {static_cast<double>(rows), static_cast<double>(columns)};
  const double factor = options_.match_adamw ? 0.2 * std::sqrt(std::max(sides[0], sides[1]))
                                             : std::sqrt(std::max(1.0, sides[0] / sides[1]));
  if (parameter.decays) ops::mul_(value, 1 - lr * options_.weight_decay);
  ops::add_(value, ops::reshape(orthogonalised(flat, options_.ns_steps, options_.eps), value.sizes()), -lr * factor);
}

Hyperparameters Muon::hyperparameters() const {
  return {{"weight_decay", options_.weight_decay},
          {"momentum", options_.momentum},
          {"nesterov", options_.nesterov},
          {"ns_coefficients", std::vector<double>{3.4445, -4.7750, 2.0315}},
          {"eps", options_.eps},
          {"ns_steps", static_cast<double>(options_.ns_steps)}};
}

}  // namespace bevgrad
