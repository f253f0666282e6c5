// mmdetection3d's info pickles, as plain frames: version 2 of the format (mmdetection3d from 1.1 on, a dict with
// 'data_list') and version 1 (up to 1.0, a dict with 'infos' or the bare list). The formats are defined by
// mmdetection3d's tools/dataset_converters/nuscenes_converter.py and update_infos_to_v2.py.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data/maps/vector_map.h"
#include "data/sample.h"
#include "geometry/camera.h"
#include "geometry/pose.h"

namespace bevgrad {

/// A file that an info names. `where` is the place of the name, for messages.
struct InfoFile {
  std::string name;
  std::string where;
};

struct InfoCamera {
  std::string name;
  InfoFile image;
  Camera camera;  ///< sensor2ego holds at the LiDAR's moment; its size is 0 where the info does not say it
};

struct InfoBox {
  std::string label;           ///< nuScenes' name; empty where the info has none
  Box3d box;                   ///< ego frame; without its class
  std::string attribute = {};  ///< nuScenes' name: "vehicle.parked"; empty where nobody says
};

struct InfoFrame {
  std::string where;  ///< for messages
  std::string key;
  std::string drive;  ///< scene token; else the log that the LiDAR file's name begins with; else empty
  bool has_scene = false;
  double timestamp = 0;  ///< seconds
  std::string place;     ///< the city or site of ego_pose's map; empty: not told
  /// The number was of a size that tells nothing, and was taken for the format's own unit.
  bool unit_is_assumed = false;
  Pose ego_pose, lidar2ego;
  InfoFile points;
  int64_t point_features = 5;  ///< float32 a point
  std::vector<InfoCamera> cameras;
  bool has_boxes = false;  ///< false: not annotated
  std::vector<InfoBox> boxes;
  std::optional<VectorMap> map;  ///< the info's own map vectors, in the ego frame
};

struct InfoFrames {
  std::vector<InfoFrame> frames;  ///< in the file's order
  /// Its timestamps were seconds where its format has microseconds.
  bool had_seconds = false;
  /// Entries with labels that are not read, by their names.
  std::vector<std::string> unread;
};

/// What MapTRv2's infos tell of the map.
const std::vector<std::string>& maptr_kinds();

/// Reads the pickle without executing anything in it. Throws in one line that names the entry that is missing or wrong.
InfoFrames read_nuscenes_infos(const std::string& path);

}  // namespace bevgrad
