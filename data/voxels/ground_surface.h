// How high the ground lies around the vehicle, by points that are not all on it.
#pragma once
#include <cstdint>
#include <vector>

#include "data/label_schema.h"

namespace bevgrad {

/// Column by column of a raster in the ego frame, whose z = 0 is the ground below the vehicle.
class GroundSurface {
 public:
  explicit GroundSurface(const LabelGrid& grid);

  /// Points outside the raster or more than 4 m above or below the vehicle's ground say nothing.
  void add(const Vec3& point);

  /// [rows * columns]: from the columns below the vehicle outward, each the lowest height at which it has points, if
  /// that is at most a kerb off its neighbour's, else its neighbour's (something stands there, or nothing was
  /// measured).
  std::vector<float> heights() const;

 private:
  LabelGrid grid_;
  int64_t rows_, columns_;
  std::vector<uint16_t> counts_;  // [column][bin of height]
};

}  // namespace bevgrad
