// Arguments that a differentiable function has no gradient for.
#pragma once
#include <initializer_list>

#include "tensor/tape.h"

namespace bevgrad {

/// Throws where one of `arguments` wants a gradient while operations are recorded, which it would never get:
/// "nll_loss: weight requires a gradient, which is not provided".
void check_constant(const char* op, std::initializer_list<tape::Argument> arguments);

}  // namespace bevgrad
