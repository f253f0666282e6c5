#include <cmath>

#include "autograd/functions/pointwise.h"
#include "autograd/functions/reduce.h"
#include "autograd/functions/shape.h"
#include "autograd/grad.h"
#include "autograd/gradcheck.h"
#include "tensor/random.h"

namespace bevgrad {
namespace {

using Function = std::function<Tensor(const std::vector<Tensor>&)>;

bool is_checked(const Tensor& x) {
  return x.defined() && is_floating_point(x.dtype()) && x.numel() > 0;
}

// The gradients of dy . function(inputs), dy being the last of `values`, with respect to all floating-point inputs.
Grads gradients(const Function& function, const std::vector<Tensor>& values, bool create_graph) {
  const GradModeGuard recorded(true);
  std::vector<Tensor> inputs(values.begin(), values.end() - 1), wanted;
  for (Tensor& x : inputs) {
    if (!is_checked(x)) continue;
    if (!requires_grad(x)) {
      x = detach(x);
      set_requires_grad(x, true);
    }
    wanted.push_back(x);
  }
  const autograd::GradOptions options{
      .grad_outputs = {values.back()}, .create_graph = create_graph, .allow_unused = true};
  return autograd::grad({function(inputs)}, wanted, options);
}

std::string describe_difference(const std::string& op, const Grads& recorded, const Grads& plain) {
  for (size_t k = 0; k < plain.size(); ++k) {
    if (!plain[k].defined() && !recorded[k].defined()) continue;
    const std::vector<double> expected = plain[k].to_vector(), actual = recorded[k].to_vector();
    for (size_t i = 0; i < expected.size(); ++i)
      if (!(std::abs(actual[i] - expected[i]) <= 1e-9 + 1e-6 * std::abs(expected[i])))
        return fmt::format("{}: gradient {} at element {}: {:.10g} with create_graph, {:.10g} without", op, k, i,
                           actual[i], expected[i]);
  }
  return "";
}

}  // namespace

std::string gradgradcheck(const std::string& op, const Function& function, const std::vector<Tensor>& inputs,
                          const GradcheckOptions& options) {
  std::vector<Tensor> values = inputs;
  {
    const NoGradGuard no_grad;
    const Tensor y = function(inputs);
    const Tensor dy = Generator(options.seed + 1).uniform(y.sizes(), -1.0, 1.0, {y.dtype()});
    values.push_back(ops::to(dy, y.device()));
  }
  if (const std::string problem =
          describe_difference(op, gradients(function, values, true), gradients(function, values, false));
      !problem.empty())
    return problem;
  const auto of_gradients = [&function](const std::vector<Tensor>& values) {
    std::vector<Tensor> parts;
    for (const Tensor& gradient : gradients(function, values, true))
      if (gradient.defined()) parts.push_back(reshape(gradient, {gradient.numel()}));
    Tensor all = cat(parts, 0);
    // A gradient that is the same for all inputs or for all dy (of a function that is linear) depends on them all the
    // same.
    for (const Tensor& x : values)
      if (is_checked(x)) all = add(all, mul(sum(x), 0.0));
    return all;
  };
  return gradcheck("gradient of " + op, of_gradients, values, options);
}

}  // namespace bevgrad
