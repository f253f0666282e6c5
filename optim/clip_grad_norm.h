// The gradient's norm, and its limit: torch.nn.utils.clip_grad_norm_.
#pragma once
#include <vector>

#include "optim/optimizer.h"

namespace bevgrad {

/// The squared L2 norm of all gradients of `parameters`, a float64 scalar where they lie: on a GPU nothing waits for
/// it.
Tensor squared_grad_norm(const std::vector<OptimizedParameter>& parameters);
/// What gradients of this norm are multiplied by so that it is `max_norm` (> 0) at most; 1 where it is not finite.
double clip_factor(double norm, double max_norm);
/// Multiplies them in place.
void scale_gradients(const std::vector<OptimizedParameter>& parameters, double factor);
/// Global L2 norm of the gradients of `parameters`; where it is above `max_norm` (> 0) they are scaled down to it.
/// Returns the norm before that. Not finite where a gradient is not.
double clip_grad_norm(const std::vector<OptimizedParameter>& parameters, double max_norm);

}  // namespace bevgrad
