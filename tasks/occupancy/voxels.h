// What the occupancy task learns, and what its logits say.
#pragma once
#include <cstdint>
#include <vector>

#include "data/batch.h"
#include "evaluation/raster.h"
#include "tasks/occupancy/options.h"
#include "tasks/task.h"

namespace bevgrad {

/// The voxels that count, and what they are.
struct VoxelTargets {
  Tensor index;    ///< int64 [P] into [N,levels,rows,columns]
  Tensor classes;  ///< int64 [P]; OccupancySpace::free() where the voxel is free
};
/// Of labelled voxels of the batch that the space's `seen` has. Throws where the labels are of another grid.
VoxelTargets voxel_targets(const Batch& batch, const OccupancySpace& space);

/// "cross_entropy", over the voxels that count, and "lovasz" (nn/lovasz.h), over those of this process, with these
/// weights. A term of weight 0 is left out.
std::vector<LossTerm> occupancy_losses(const Tensor& logits, const Batch& batch, const OccupancySpace& space,
                                       double cross_entropy_weight, double lovasz_weight);

/// The likeliest class of every voxel: uint8 [N,levels,rows,columns].
Tensor likeliest_voxels(const Tensor& logits, const OccupancySpace& space);

/// How surely a column can be driven on, [N,1,rows,columns]: the probability of the drivable classes in the level of
/// the ground (z = 0) times the least probability of free in the levels above it that begin below kDrivingHeight. Where
/// no class is drivable the first factor is 1.
Tensor drivable_columns(const Tensor& logits, const OccupancySpace& space);
/// The same of labels uint8 [levels,rows,columns]: 1, 0, or 255 where a voxel that decides is not known.
LabelRaster drivable_labels(const Tensor& voxels, const OccupancySpace& space);
inline constexpr double kDrivingHeight = 2.0;  ///< metres

}  // namespace bevgrad
