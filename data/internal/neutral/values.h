// Values of the neutral folder's JSON whose form the schema has already checked.
#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "data/maps/vector_map.h"
#include "geometry/camera.h"
#include "geometry/pose.h"

namespace bevgrad {

/// Throws, naming `where`, for what is no rotation with a translation.
Pose neutral_pose(const nlohmann::json& pose, const std::string& where);

/// Calibration with its mount; a lens of a model that a Camera has not is refitted, and `remark` says how far that is
/// off. Throws, naming `where`, for fields that do not belong to the model and for a lens that no fisheye comes within
/// a pixel of. The picture's checks come with the picture.
Camera neutral_camera(const nlohmann::json& camera, const std::string& where, std::string* remark);

/// A file of map.schema.json, and the kinds that it tells.
struct NeutralMap {
  VectorMap map;
  std::vector<std::string> kinds;
};
NeutralMap read_neutral_map(const std::string& path);

}  // namespace bevgrad
