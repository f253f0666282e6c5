// Statistics of a tensor's values.
#pragma once
#include <cstdint>

#include "formats/stored_tensor.h"

namespace bevgrad {

/// Over the finite values; min, max, mean and std are NaN where there are none. std divides by the count.
struct TensorStats {
  double min = 0;
  double max = 0;
  double mean = 0;
  double std = 0;
  int64_t nan = 0;
  int64_t infinite = 0;
  int64_t zero = 0;
};
/// Of complex numbers the real parts.
TensorStats stats_of(const StoredTensor& tensor);

}  // namespace bevgrad
