// How a tensor's values are spread, as TensorBoard shows it.
#pragma once
#include <cstdint>
#include <vector>

#include "tensor/tensor.h"

namespace bevgrad {

struct Histogram {
  double min = 0, max = 0, sum = 0, sum_of_squares = 0;
  int64_t count = 0;
  std::vector<double> limits;  ///< upper ends of the buckets, rising
  std::vector<double> counts;  ///< values in each bucket
};

/// Of a floating tensor's finite values, in `buckets` of equal width; nothing is counted where there is none.
Histogram histogram_of(const Tensor& values, int buckets = 40);

}  // namespace bevgrad
