// Which labelled boxes a detector is asked for.
#pragma once
#include "data/label_schema.h"
#include "data/sample.h"

namespace bevgrad {

/// Whether the centre lies in the grid's range: x_min <= x < x_max, and y and z likewise.
bool is_in_range(const Box3d& box, const LabelGrid& grid);

/// Whether the box is learned and counted as a truth, as nuScenes and mmdetection3d have it: its centre is in range,
/// and it is not known to be without a single LiDAR point.
bool is_true_box(const Box3d& box, const LabelGrid& grid);

}  // namespace bevgrad
