#include "autograd/functions/activations.h"

#include <cmath>
#include <numbers>

#include "autograd/functions/elementary.h"
#include "autograd/functions/operators.h"
#include "autograd/functions/where.h"
#include "functions/internal/rule_ops.h"
#include "tensor/activation_functors.h"
#include "tensor/compare.h"
#include "tensor/pointwise.h"

namespace bevgrad {
namespace {

// y = forward(x); the gradient from the input, backward(dy, x) = dy * slope(x) with `slope` made of differentiable
// functions. Costs are rough nanoseconds of one element.
template <class Forward, class Backward, class Slope>
Tensor from_input(const char* op, const Tensor& x, const Forward& forward, const Backward& backward, int64_t cost,
                  const Slope& slope) {
  const OpScope scope(op, {{"x", x}});
  return record(op, pointwise::map(op, x, forward, cost), {x},
                twice([op, x_ = Saved(x), backward, cost, slope](const Tensor& dy, const NeedsGrad&) {
                  if (rule::is_recorded()) return Grads{dy * slope(rule::input(0, x_.get()))};
                  return Grads{pointwise::zip(op, dy, x_.get(), backward, cost)};
                }));
}

Tensor number_like(const Tensor& x, double value) {
  return full({}, value, {x.dtype(), {}, x.device()});
}

Tensor gelu_slope(const Tensor& x) {
  const Tensor density = exp(x * x * -0.5) * (0.5 * std::numbers::sqrt2 * std::numbers::inv_sqrtpi);
  return (erf(x * (1 / std::numbers::sqrt2)) + 1.0) * 0.5 + x * density;
}

Tensor gelu_tanh_slope(const Tensor& x) {
  constexpr double kCube = 0.044715, kScale = std::numbers::sqrt2 * std::numbers::inv_sqrtpi;
  const Tensor t = tanh((x + x * x * x * kCube) * kScale);
  return (t + 1.0) * 0.5 + x * (1.0 - t * t) * (x * x * (3 * kCube) + 1.0) * (0.5 * kScale);
}

Tensor silu_slope(const Tensor& x) {
  const Tensor s = sigmoid(x);
  return s * (x * (1.0 - s) + 1.0);
}

Tensor hardswish_slope(const Tensor& x) {
  const Tensor inside = where(gt(x, -3.0), (x * 2.0 + 3.0) / 6.0, number_like(x, 0));
  return where(ge(x, 3.0), number_like(x, 1), inside);
}

}  // namespace

Tensor tanh(const Tensor& x) {
  const OpScope scope("tanh", {{"x", x}});
  Tensor y = pointwise::map("tanh", x, functors::Tanh{}, 4);
  return record("tanh", y, {x}, twice([y_ = Saved(y)](const Tensor& dy, const NeedsGrad&) {
                  if (rule::is_recorded()) {
                    const Tensor y = rule::result(y_.get());
                    return Grads{dy * (1.0 - y * y)};
                  }
                  return Grads{pointwise::zip("tanh", dy, y_.get(), functors::TanhBackward{})};
                }));
}

Tensor gelu(const Tensor& x, GeluForm form) {
  if (form == GeluForm::Tanh)
    return from_input("gelu", x, functors::GeluTanh{}, functors::GeluTanhBackward{}, 4, gelu_tanh_slope);
  return from_input("gelu", x, functors::Gelu{}, functors::GeluBackward{}, 4, gelu_slope);
}

Tensor silu(const Tensor& x) {
  return from_input("silu", x, functors::Silu{}, functors::SiluBackward{}, 4, silu_slope);
}

Tensor leaky_relu(const Tensor& x, double negative_slope) {
  return from_input("leaky_relu", x, functors::LeakyRelu{negative_slope}, functors::LeakyReluBackward{negative_slope},
                    1, [negative_slope](const Tensor& x) {
                      return where(gt(x, 0.0), number_like(x, 1), number_like(x, negative_slope));
                    });
}

Tensor elu(const Tensor& x, double alpha) {
  return from_input("elu", x, functors::Elu{alpha}, functors::EluBackward{alpha}, 4, [alpha](const Tensor& x) {
    return where(gt(x, 0.0), number_like(x, 1), exp(minimum(x, number_like(x, 0))) * alpha);
  });
}

Tensor softplus(const Tensor& x, double beta, double threshold) {
  check(beta > 0, "softplus: beta is {}, expected a positive number", beta);
  return from_input("softplus", x, functors::Softplus{beta, threshold}, functors::SoftplusBackward{beta, threshold}, 8,
                    [beta, threshold](const Tensor& x) {
                      return where(gt(x * beta, threshold), number_like(x, 1), sigmoid(x * beta));
                    });
}

Tensor hardswish(const Tensor& x) {
  return from_input("hardswish", x, functors::Hardswish{}, functors::HardswishBackward{}, 1, hardswish_slope);
}

}  // namespace bevgrad
