// Boxes of mmdetection3d before 1.0 have their width before their length and a yaw that is turned by a quarter and runs
// the other way. A file does not say which it has.
#pragma once
#include <functional>
#include <vector>

#include "internal/nuscenes/info.h"
#include "tensor/tensor.h"

namespace bevgrad {

enum class BoxForm { Today, Old, Unknown };

/// The box that an old one, read as today's, stands for.
Box3d modernised(const Box3d& box, const Pose& lidar2ego);

/// By the vehicles, which are longer than wide; where there are none by which reading holds as many points as were
/// counted in the boxes; then by barriers, which are wider than long. `points_of` gives a frame's points in the ego
/// frame and is called for a few frames at most.
BoxForm form_of_boxes(const std::vector<InfoFrame>& frames, const std::function<Tensor(const InfoFrame&)>& points_of);

void modernise_boxes(std::vector<InfoFrame>& frames);

}  // namespace bevgrad
