#include "convert/internal/stats.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace bevgrad {

TensorStats stats_of(const StoredTensor& tensor) {
  TensorStats out;
  out.min = std::numeric_limits<double>::infinity();
  out.max = -out.min;
  int64_t count = 0;
  double mean = 0;
  double squares = 0;
  const size_t step = item_size(tensor.dtype);
  for_each_piece(tensor, [&](std::span<const std::byte> piece) {
    for (size_t i = 0; i < piece.size(); i += step) {
      const double value = to_double(tensor.dtype, &piece[i]);
      if (!std::isfinite(value)) {
        ++(std::isnan(value) ? out.nan : out.infinite);
        continue;
      }
      out.zero += value == 0 ? 1 : 0;
      out.min = std::min(out.min, value);
      out.max = std::max(out.max, value);
      // Welford's recurrence.
      ++count;
      const double delta = value - mean;
      mean += delta / static_cast<double>(count);
      squares += delta * (value - mean);
    }
  });
  const double none = std::numeric_limits<double>::quiet_NaN();
  if (count == 0) out.min = out.max = none;
  out.mean = count == 0 ? none : mean;
  out.std = count == 0 ? none : std::sqrt(squares / static_cast<double>(count));
  return out;
}

}  // namespace bevgrad
