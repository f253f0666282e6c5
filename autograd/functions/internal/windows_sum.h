// Weighted sums over windows of one dimension, as pooling and resampling make them.
#pragma once
#include <vector>

#include "tensor/tensor.h"

namespace bevgrad {

/// Input places `first`, `first + 1`, ... with a weight each.
struct WeightedWindow {
  int64_t first = 0;
  std::vector<double> weights;
};

/// x along `dim`, differentiable: place i of the result is the sum of windows[i]. What lies outside a window never
/// reaches its sum, be it infinite or not a number. Every window has a weight.
Tensor sum_windows(const Tensor& x, int dim, const std::vector<WeightedWindow>& windows);

}  // namespace bevgrad
