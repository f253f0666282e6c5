#include "optim/clip_value.h"

#include "autograd/autograd.h"
#include "base/error.h"
#include "tensor/ops.h"

namespace bevgrad {

void clip_grad_value(const std::vector<Tensor>& parameters, double limit) {
  check(limit > 0, "clip_grad_value: limit {}, expected above 0", limit);
  const NoGradGuard no_grad;
  for (const Tensor& parameter : parameters)
    if (const Tensor gradient = grad(parameter); gradient.defined())
      ops::copy_(gradient, ops::clamp(gradient, -limit, limit));
}

}  // namespace bevgrad
