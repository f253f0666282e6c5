#include "autograd/functions/activations.h"

#include "tensor/activation_functors.h"
#include "tensor/pointwise.h"

namespace bevgrad {
namespace {

// y = forward(x); the gradient from the input. Costs are rough nanoseconds of one element.
template <class Forward, class Backward>
Tensor from_input(const char* op, const Tensor& x, const Forward& forward, const Backward& backward, int64_t cost) {
  const OpScope scope(op, {{"x", x}});
  return record(op, pointwise::map(op, x, forward, cost), {x},
                [op, x_ = Saved(x), backward, cost](const Tensor& dy, const NeedsGrad&) {
                  return Grads{pointwise::zip(op, dy, x_.get(), backward, cost)};
                });
}

}  // namespace

Tensor tanh(const Tensor& x) {
  const OpScope scope("tanh", {{"x", x}});
  Tensor y = pointwise::map("tanh", x, functors::Tanh{}, 4);
  return record("tanh", y, {x}, [y_ = Saved(y)](const Tensor& dy, const NeedsGrad&) {
    return Grads{pointwise::zip("tanh", dy, y_.get(), functors::TanhBackward{})};
  });
}

Tensor gelu(const Tensor& x, GeluForm form) {
  if (form == GeluForm::Tanh) return from_input("gelu", x, functors::GeluTanh{}, functors::GeluTanhBackward{}, 4);
  return from_input("gelu", x, functors::Gelu{}, functors::GeluBackward{}, 4);
}

Tensor silu(const Tensor& x) {
  return from_input("silu", x, functors::Silu{}, functors::SiluBackward{}, 4);
}

Tensor leaky_relu(const Tensor& x, double negative_slope) {
  return from_input("leaky_relu", x, functors::LeakyRelu{negative_slope}, functors::LeakyReluBackward{negative_slope},
                    1);
}

Tensor elu(const Tensor& x, double alpha) {
  return from_input("elu", x, functors::Elu{alpha}, functors::EluBackward{alpha}, 4);
}

Tensor softplus(const Tensor& x, double beta, double threshold) {
  check(beta > 0, "softplus: beta is {}, expected a positive number", beta);
  return from_input("softplus", x, functors::Softplus{beta, threshold}, functors::SoftplusBackward{beta, threshold}, 8);
}

Tensor hardswish(const Tensor& x) {
  return from_input("hardswish", x, functors::Hardswish{}, functors::HardswishBackward{}, 1);
}

}  // namespace bevgrad
