// What the depth task learns, and what the depth maps of a network say.
#pragma once
#include <cstdint>
#include <vector>

#include "data/batch.h"
#include "evaluation/raster.h"
#include "models/camera/lift_table.h"
#include "models/network_output.h"

namespace bevgrad {

/// A group's depth logits, and which cameras they belong to.
struct DepthGroup {
  Tensor logits;             ///< [N,n_g,bins,h,w]
  int64_t first_camera = 0;  ///< of a sample's cameras
};

/// The depth maps of an output, one a group; empty where the encoder was not run (its features came from a cache).
/// Throws Error where the view transform gives none, or has other bins.
std::vector<DepthGroup> depth_groups(const NetworkOutput& output, const DepthBins& bins);

/// The distance (metres) of the nearest LiDAR point that falls into each pixel of a camera's map; NaN where none does.
/// points float32 [P,4] in the ego frame.
Raster<float> measured_depth(const Tensor& points, const Camera& camera, int64_t height, int64_t width);

/// int64 [N*n_g,h,w]: the bin that the nearest point of a pixel lies in, -100 where there is none.
Tensor depth_targets(const Batch& batch, const DepthGroup& group, const DepthBins& bins);

/// Expected distances of camera `camera` (within the group) of sample `n`: [1,h,w].
Raster<float> expected_depth(const DepthGroup& group, int64_t n, int64_t camera, const DepthBins& bins);

}  // namespace bevgrad
