// The rows of every family of differentiable functions. A new family adds its list here and in op_table().
#pragma once
#include "support/op_case.h"

namespace bevgrad::testing {

std::vector<OpCase> pointwise_cases();
std::vector<OpCase> shape_cases();
std::vector<OpCase> reduce_cases();
std::vector<OpCase> conv_cases();
std::vector<OpCase> conv_nd_cases();
std::vector<OpCase> einsum_cases();
std::vector<OpCase> deformable_cases();
std::vector<OpCase> attention_cases();
std::vector<OpCase> windows_cases();
std::vector<OpCase> batch_norm_cases();
std::vector<OpCase> channel_scale_cases();
std::vector<OpCase> pool_cases();
std::vector<OpCase> linear_cases();
std::vector<OpCase> interpolate_cases();
std::vector<OpCase> grid_sample_cases();
std::vector<OpCase> softmax_cases();
std::vector<OpCase> cells_cases();
std::vector<OpCase> elementary_cases();
std::vector<OpCase> statistics_cases();
std::vector<OpCase> indexing_cases();

}  // namespace bevgrad::testing
