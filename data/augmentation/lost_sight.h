// Labels of what is seen, after sensors have failed or pictures lie differently.
#pragma once
#include <span>

#include "data/label_schema.h"
#include "data/sample.h"

namespace bevgrad {

/// A camera of a sample as it was, and as it is: unseeing_camera's where it has failed.
struct CameraBeforeAndAfter {
  Camera before, after;
};

/// Takes from the labels what the sensors no longer see: ground cells and voxels in the picture of a camera as it was,
/// not as it is, that no other camera sees past what stands in the way (`points`' returns, the labelled voxels); all
/// that the LiDAR saw where it has failed. Cells that were seen at this moment and are not any more do not count as
/// seen within the window either: whether an earlier frame saw them is not known.
void lose_sight(std::span<const CameraBeforeAndAfter> cameras, bool lidar_failed, const Tensor& points,
                const LabelSchema& schema, Labels& labels);

}  // namespace bevgrad
