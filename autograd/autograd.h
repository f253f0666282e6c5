// The tape: the node of a tensor that needs a gradient, recording of operations, and the backward pass.
//
// A differentiable function opens an OpScope, computes its output with plain tensor ops and calls `record` with a
// backward rule: a pure closure from the output's gradient to one gradient per input, written with plain tensor ops
// (and with differentiable functions where gradients are to have gradients: autograd/double_backward.h). The engine, in
// one place, asks who needs a gradient, un-broadcasts, checks what a rule returns (a wrong rule is named), and
// accumulates.
//
// The tape gives no wrong gradient without a word. A plain op (ops::) on a tensor that requires a gradient throws while
// operations are recorded, unless an OpScope, a rule or a NoGradGuard says that it is meant (tensor/tape.h). A write
// in place, through an ops:: function or a pointer from data<T>(), to what a rule saved or to a recorded result makes
// the backward pass throw.
#pragma once
#include <cstdint>
#include <functional>
#include <vector>

#include "tensor/ops.h"
#include "tensor/tape.h"
#include "tensor/tensor.h"

namespace bevgrad {

bool requires_grad(const Tensor& tensor);
/// Makes a tensor a leaf whose gradient is wanted (or not). Only floating-point leaves can be.
void set_requires_grad(const Tensor& tensor, bool wanted);
/// The gradient that backward() accumulated; undefined before the first.
Tensor grad(const Tensor& tensor);
void set_grad(const Tensor& tensor, const Tensor& gradient);
/// The same values in the same memory, outside the tape.
Tensor detach(const Tensor& tensor);

/// Whether operations are recorded on this thread (they are, by default).
bool grad_enabled();

/// Switches recording for a scope.
class GradModeGuard {
 public:
  explicit GradModeGuard(bool enabled);
  ~GradModeGuard();
  GradModeGuard(const GradModeGuard&) = delete;
  GradModeGuard& operator=(const GradModeGuard&) = delete;

 private:
  bool previous_;
};

/// Nothing computed in this scope is recorded or kept alive for a backward pass.
class NoGradGuard : public GradModeGuard {
 public:
  NoGradGuard() : GradModeGuard(false) {}
};

/// The body of a differentiable function, from here to the end of its block: plain ops may be applied to inputs that
/// require a gradient, because `record` is to come. Throws where one of `inputs` is undefined: "conv2d: weight is
/// undefined". `op` must outlive the tape (a literal). A function that is made of differentiable functions needs none.
class OpScope {
 public:
  explicit OpScope(const char* op, std::initializer_list<tape::Argument> inputs = {}) : scope_(op) {
    tape::check_defined(op, inputs);
  }

 private:
  tape::EngineScope scope_;
};

/// Whether an operation on these inputs would be recorded: decide with it what to save.
bool will_record(const std::vector<Tensor>& inputs);

/// Which inputs of a recorded operation want a gradient, so that a rule can skip costly ones (leave them undefined).
class NeedsGrad {
 public:
  explicit NeedsGrad(std::vector<bool> needs) : needs_(std::move(needs)) {}
  bool operator[](size_t input) const { return needs_[input]; }

 private:
  std::vector<bool> needs_;
};

using Grads = std::vector<Tensor>;
/// From the output's gradient to one gradient per input, in the inputs' order; undefined where none is needed.
/// A gradient may still have the broadcast shape: the engine sums it.
using BackwardRule = std::function<Grads(const Tensor& dy, const NeedsGrad& needs)>;

/// Attaches `rule` to `output` where recording is on and an input needs a gradient; returns `output`.
/// `op` must outlive the tape (a literal). Inputs may be undefined (an absent bias). The rule may capture
/// inputs by Saved; to capture the output itself, capture Saved(output) before calling record: it is an alias outside
/// the tape, so that no reference cycle arises.
Tensor record(const char* op, Tensor output, std::vector<Tensor> inputs, BackwardRule rule);

/// Records a view of `input` that shows each of its elements once at most. `view` makes it of any tensor of the input's
/// sizes: its gradient is added to that part of the input's gradient alone, so that the views that make up a tensor
/// cost one gradient of its size together, not one each.
Tensor record_view(const char* op, const Tensor& input, std::function<Tensor(const Tensor&)> view);

/// A tensor kept for the backward pass, which notices when its memory was overwritten.
class Saved {
 public:
  Saved() = default;
  explicit Saved(const Tensor& tensor);
  /// Throws where the tensor was written in place since it was saved.
  const Tensor& get() const;
  bool defined() const { return tensor_.defined(); }

 private:
  Tensor tensor_;
  uint64_t version_ = 0;
  const char* op_ = nullptr;  // whose OpScope saved it
};

/// Runs the tape back from `output` and accumulates into the gradients of the leaves. `dy` defaults to 1 for a tensor
/// of one element. The tape is consumed: what was saved is released as the pass moves on.
void backward(const Tensor& output, const Tensor& dy = {});

}  // namespace bevgrad
