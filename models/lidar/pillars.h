// From points to pillars: which points share a cell, and what the encoder is told of each.
#pragma once
#include <cstdint>
#include <vector>

#include "models/network_options.h"
#include "tensor/tensor.h"

namespace bevgrad {

/// The pillars of N samples, one sample after the other; a sample's pillars in order of appearance, a pillar's points
/// in input order. All on the CPU; the encoder takes the features to its device.
struct Pillars {
  /// Values a point: x, y, z, intensity; minus the mean of the pillar's points (3); minus the pillar's centre (3).
  static constexpr int64_t kFeatures = 10;

  Tensor features;      ///< float32 [points,10]
  Tensor offsets;       ///< int64 [pillars+1]: pillar p has the points offsets[p] .. offsets[p+1]
  Tensor cells;         ///< int64 [pillars]: (sample * rows + row) * columns + column, at pillar resolution
  int64_t dropped = 0;  ///< points within the range that the caps on pillars and on points a pillar left out

  int64_t size() const { return cells.numel(); }
};

/// Sorts the points of each sample (float32 [P,4]: x, y, z, intensity) into vertical pillars of grid.pillar() metres,
/// as mmdetection3d's hard voxelisation: at most max_pillars a sample and max_points a pillar, first come first served.
/// With options.dynamic all points of all pillars. Points outside the range, and points that are not finite, are left
/// out.
Pillars make_pillars(const std::vector<Tensor>& points, const BevGrid& grid, const LidarOptions& options);

}  // namespace bevgrad
