// How records are to be read where no config says it: with what they hold.
#pragma once
#include "data/dataset.h"

namespace bevgrad {

/// From up to `most` records, spread over the data: the cameras that all of them have (each a group of its own, at the
/// size it has in the first), the names of all classes, the grid of the first raster, and classes and grid of the first
/// voxels, where there are any. Points are read where every one of those records has them.
DatasetOptions recorded_options(const Dataset& dataset, int64_t most = 200);

}  // namespace bevgrad
