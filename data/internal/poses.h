// Poses as other formats write them.
#pragma once
#include <string>

#include "geometry/pose.h"

namespace bevgrad {

/// From a quaternion (which is brought to length 1) and a translation.
Pose pose_from_quaternion(double w, double x, double y, double z, Vec3 translation);

/// Between two poses, 0: a, 1: b. The rotation turns about one axis at an even rate.
Pose interpolate(const Pose& a, const Pose& b, double share);

/// Throws where the vehicle stands on its side or on its head: a quaternion in another order, or a frame with z down.
void check_upright(const Pose& ego2global, const std::string& where);

}  // namespace bevgrad
