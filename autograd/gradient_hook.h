// A callback for each leaf whose gradient is complete while the backward pass still runs: it overlaps the exchange of
// gradients with the rest of the pass.
#pragma once
#include <functional>
#include <vector>

#include "tensor/tensor.h"

namespace bevgrad {

/// backward() calls it once in a pass that reaches the leaf, as soon as nothing more of this pass will be added to the
/// gradient, with what the leaf has gathered (earlier passes included). It may keep the tensor, not change it.
using GradientHook = std::function<void(const Tensor& gradient)>;

/// Sets the hook of a leaf; an empty one takes it away. A leaf that is used inside a checkpointed stretch
/// (autograd/checkpoint.h) is complete when that stretch is, so it must not be used outside it too.
void set_gradient_hook(const Tensor& leaf, GradientHook hook);

/// The order in which backward(output) will complete the gradients of `leaves`, as indices.
struct CompletionOrder {
  std::vector<size_t> order;
  /// The first so many are not reached at all.
  size_t unreached = 0;
};
/// It depends on the tape alone, so that equal networks give equal orders. (Gradients that wait for a sum over
/// processes come somewhat later than it says.)
CompletionOrder completion_order(const Tensor& output, const std::vector<Tensor>& leaves);

}  // namespace bevgrad
