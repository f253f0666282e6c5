// The gradient's norm, and its limit: torch.nn.utils.clip_grad_norm_.
#pragma once
#include <vector>

#include "optim/optimizer.h"

namespace bevgrad {

/// Global L2 norm of the gradients of `parameters`; where it is above `max_norm` (> 0) they are scaled down to it.
/// Returns the norm before that. Not finite where a gradient is not.
double clip_grad_norm(const std::vector<OptimizedParameter>& parameters, double max_norm);

}  // namespace bevgrad
