#include "evaluation/matching.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace bevgrad {

NearestCell::NearestCell(double distance, double cell) {
  check(cell > 0 && distance > 0 && std::isfinite(distance) && distance / cell <= 1000,
        "NearestCell: distance {} m with cells of {} m", distance, cell);
  // A hair of slack: 0.6 / 0.2 is below 3 in float64.
  const double limit = distance / cell * (1 + 1e-9);
  const int reach = static_cast<int>(limit);
  for (int r = -reach; r <= reach; ++r)
    for (int c = -reach; c <= reach; ++c)
      if (r * r + c * c <= limit * limit) offsets_.push_back({r, c, cell * std::sqrt(r * r + c * c)});
  std::stable_sort(offsets_.begin(), offsets_.end(),
                   [](const Offset& a, const Offset& b) { return a.distance < b.distance; });
}

}  // namespace bevgrad
