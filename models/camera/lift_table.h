// Which cells of the BEV grid every feature pixel's ray crosses, and at which depths.
#pragma once
#include "bev/lift_splat.h"
#include "models/camera/rig.h"
#include "models/network_options.h"

namespace bevgrad {

/// Intervals of equal length along a pixel's ray. A depth is the distance from the camera, whatever its model: a
/// fisheye has no other that is positive over its whole view.
struct DepthBins {
  double start = 1, step = 0.5;  ///< metres
  int64_t count = 118;

  double centre(int64_t bin) const { return start + (static_cast<double>(bin) + 0.5) * step; }
  /// The bin that a depth lies in; -1 outside all of them.
  int64_t bin_of(double depth) const;
  bool operator==(const DepthBins&) const = default;
};

/// The centre of every bin of every feature pixel's ray (float64) in its cell; those outside the grid or its z range
/// are in none. `cameras` in the groups' order. Throws Error for a calibration that cannot be, naming the camera.
LiftTable lift_table(const BevGrid& grid, const DepthBins& bins, const std::vector<BevSamplingGroup>& groups,
                     const std::vector<Camera>& cameras);

}  // namespace bevgrad
