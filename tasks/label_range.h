// The range that tasks label, learn and measure in.
#pragma once
#include "configs/config.pb.h"
#include "data/label_schema.h"

namespace bevgrad {

/// The label raster's grid, a quarter of a BEV cell fine, with the range's heights.
LabelGrid label_range(const config::Grid& grid);

}  // namespace bevgrad
