// The rows of every family of differentiable functions. A new family adds its list here and in all_cases().
#pragma once
#include "support/op_case.h"

namespace bevgrad::testing {

std::vector<OpCase> pointwise_cases();
std::vector<OpCase> shape_cases();
std::vector<OpCase> reduce_cases();

}  // namespace bevgrad::testing
