// Voxels as pictures.
#pragma once
#include "drawing/sample_picture.h"
#include "tasks/occupancy/options.h"

namespace bevgrad {

/// Voxels uint8 [levels,rows,columns] from above: of every column the highest one below kHighestPoint that is neither
/// free nor unknown, in its class's colour, the brighter the higher.
GroundPanel voxels_from_above(const std::string& title, const Tensor& voxels, const OccupancySpace& space);

/// Where one can drive: probabilities of `columns` [1,rows,columns] at least `threshold`, over `voxels` in grey.
GroundPanel freespace_panel(const Tensor& voxels, const ProbabilityRaster& columns, float threshold,
                            const OccupancySpace& space);

}  // namespace bevgrad
