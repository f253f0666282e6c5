// What both versions of mmdetection3d's infos are read with.
#pragma once
#include <map>
#include <optional>
#include <span>
#include <string>

#include "formats/value.h"
#include "internal/nuscenes/info.h"

namespace bevgrad {

/// A 4x4 matrix (or the first three rows of one). Throws where it is no rotation with a translation.
Pose info_matrix(const Value& matrix);
/// A rotation as quaternion w, x, y, z or as a 3x3 matrix, and a translation.
Pose info_pose(const Value& rotation, const Value& translation);
/// fx, fy, cx, cy of a 3x3, 3x4 or 4x4 matrix.
Camera info_intrinsics(const Value& matrix);
/// The entry 'timestamp' in seconds. Its size tells nanoseconds, microseconds and milliseconds since 1970; a smaller
/// number is of the format's own `unit`, in seconds. Throws where it is not finite.
void read_timestamp(const Value& frame, double unit, InfoFrame* out);
/// Separators of Windows become slashes.
InfoFile info_file(const Value& name);
/// The frame's token, or its number.
std::string info_key(const Value& frame, size_t index);
/// Fills in `drive`, `has_scene` and `place`; `points` must be known.
void find_drive(const Value& frame, InfoFrame* out);
/// x, y, z, length, width, height, yaw of the LiDAR's frame, and a velocity where it is known (finite), in the ego
/// frame. Throws, naming `where`, for numbers that are not finite and sizes that are not positive.
Box3d info_box(const Pose& lidar2ego, std::span<const double> numbers, std::span<const double> velocity,
               const std::string& where);

/// MapTRv2's entry 'annotation': lists of points of the LiDAR's frame by kind. Nothing where it has another form.
std::optional<VectorMap> info_map(const Value& frame, const Pose& lidar2ego);

InfoFrame read_info_v1(const Value& info, size_t index);
/// `names` are those of the label numbers, from info_v2_names.
InfoFrame read_info_v2(const Value& info, size_t index, const std::map<int64_t, std::string>& names);
std::map<int64_t, std::string> info_v2_names(const Value& root);

}  // namespace bevgrad
