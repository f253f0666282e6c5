// How many LiDAR points a 3-D box holds: what tells whether boxes and points belong together.
#pragma once
#include <cstdint>

#include "data/sample.h"

namespace bevgrad {

/// Of `points` (float32 [P,4] in the box's frame), those in the box grown by `margin` on every side.
int64_t count_inside(const Box3d& box, const Tensor& points, double margin = 0);

}  // namespace bevgrad
