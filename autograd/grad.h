// Gradients as values, and backward passes that leave the tape for another one.
#pragma once
#include "autograd/autograd.h"

namespace bevgrad {

/// backward() that keeps the tape with all that it saved, if `retain_graph`: a second pass adds its gradients.
void backward(const Tensor& output, const Tensor& dy, bool retain_graph);

namespace autograd {

struct GradOptions {
  /// One for each output; undefined: 1 for an output of one element.
  std::vector<Tensor> grad_outputs = {};
  bool retain_graph = false;
  /// Gradients have gradients of their own (autograd/double_backward.h), and the tape is retained. An operation on the
  /// way whose rule cannot be recorded is an Error that names it.
  bool create_graph = false;
  /// Inputs that no output depends on get an undefined gradient; otherwise they are an Error.
  bool allow_unused = false;
};

/// The gradients of the outputs' sum (weighted by grad_outputs) with respect to `inputs`, leaves or results in between,
/// in their order. Leaves keep the gradients that they have, and only what lies between outputs and inputs is computed.
/// An input counts as it is: what was made of a tensor before `x = f(x)` does not depend on the new x.
Grads grad(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs, const GradOptions& options = {});

}  // namespace autograd
}  // namespace bevgrad
