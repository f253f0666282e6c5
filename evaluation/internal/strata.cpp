#include "evaluation/strata.h"

namespace bevgrad {

std::vector<Stratum> strata_of(const LabelRaster& visibility, bool use_lidar) {
  if (visibility.empty()) return {};
  check(visibility.channels == 3, "strata_of: the visibility raster has {} layers, expected 3", visibility.channels);
  std::vector<Stratum> strata(static_cast<size_t>(visibility.cells()));
  const auto camera = visibility.plane(0), lidar = visibility.plane(1), window = visibility.plane(2);
  for (size_t i = 0; i < strata.size(); ++i) {
    const bool seen_now = camera[i] == 1 || (use_lidar && lidar[i] == 1);
    strata[i] = seen_now ? kSeenNow : window[i] == 1 ? kHiddenNow : kNeverSeen;
  }
  return strata;
}

}  // namespace bevgrad
