#pragma once
#include "support/op_case.h"

namespace bevgrad::testing {

/// Of nn/losses.h and of nn/common_losses.h.
std::vector<OpCase> loss_cases();
std::vector<OpCase> common_loss_cases();

}  // namespace bevgrad::testing
