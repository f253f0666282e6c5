// nuScenes' maps: the map expansion's vectors, and the drivable area as a raster, which every version has.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "data/maps/vector_map.h"

namespace bevgrad {

/// What a map expansion tells.
const std::vector<std::string>& nuscenes_map_kinds();

/// What a raster of the drivable area tells.
const std::vector<std::string>& drivable_kinds();

/// maps/expansion/<location>.json: lane dividers by the type of their segments, road dividers, crossings, stop lines,
/// walkways, the drivable area and its edges. Heights are not known. Throws in one line that names list, row and field.
VectorMap read_nuscenes_map(const std::string& path);

/// The drivable area of a place: maps/<token>.png, 0.1 m a pixel, the last row at y = 0.
class DrivableRaster {
 public:
  /// Throws for a file that is no PNG or has more than 1 000 million pixels.
  explicit DrivableRaster(const std::string& path);

  /// The drivable area and its edges within low..high (metres), as features with outlines.
  VectorMap outlines(Vec2 low, Vec2 high) const;

 private:
  bool at(int64_t row, int64_t column) const;

  std::vector<uint8_t> bits_;  // rows from above
  int64_t width_ = 0, height_ = 0;
};

}  // namespace bevgrad
