// Double backward: gradients that have gradients (autograd::grad with create_graph). A rule allows it where it is
// written twice, with plain operations for a pass that is not recorded and with differentiable functions for one that
// is, on what it saved put back onto the tape:
//
//   return record("exp", y, {x}, twice([y_ = Saved(y)](const Tensor& dy, const NeedsGrad&) {
//     if (rule::is_recorded()) return Grads{mul(dy, rule::result(y_.get()))};
//     return Grads{ops::mul(dy, y_.get())};
//   }));
#pragma once
#include "autograd/autograd.h"

namespace bevgrad {

/// A rule that gives gradients on the tape where the pass is recorded.
struct TwiceDifferentiable {
  BackwardRule rule;
};
inline TwiceDifferentiable twice(BackwardRule rule) {
  return {std::move(rule)};
}

Tensor record(const char* op, Tensor output, std::vector<Tensor> inputs, TwiceDifferentiable rule);

namespace rule {

/// Whether the rule at work is itself recorded. A plain operation on its dy, or on what the following give, throws
/// then.
bool is_recorded();

/// `values`, which are those of input `place` of the operation whose rule is at work, as that input on the tape; as
/// they are where the pass is not recorded or the input needs no gradient. Throws where sizes or dtype are not the
/// input's.
Tensor input(size_t place, const Tensor& values);

/// The same of the operation's result.
Tensor result(const Tensor& values);

/// The gradients of an operation whose result `same` computes of differentiable functions, for a recorded pass: dy
/// times those of same(inputs), which are what input() gives, in their order. `needs` as the rule has it.
Grads gradients_of(const std::function<Tensor(const std::vector<Tensor>&)>& same, const std::vector<Tensor>& inputs,
                   const Tensor& dy, const NeedsGrad& needs);

}  // namespace rule
}  // namespace bevgrad
