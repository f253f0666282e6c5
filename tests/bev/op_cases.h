// The rows of the operations of `bev`.
#pragma once
#include "support/op_case.h"

namespace bevgrad::testing {

std::vector<OpCase> bev_sample_cases();
std::vector<OpCase> lift_splat_cases();
std::vector<OpCase> warp_cases();
std::vector<OpCase> segment_max_cases();

}  // namespace bevgrad::testing
