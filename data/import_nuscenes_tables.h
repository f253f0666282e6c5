// nuScenes as it is downloaded: its own tables, maps and files, without any other tool.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "data/import_nuscenes.h"
#include "data/maps/visibility.h"

namespace bevgrad {

struct ImportTablesOptions {
  std::string root = {};     ///< holds v1.0-*/, samples/, maps/ and, for sweeps, sweeps/
  std::string version = {};  ///< which of several folders of tables
  std::vector<std::string> cameras = kNuscenesCameras;
  /// Seconds between the LiDAR sweeps that become frames between the key frames (0.05 is all of them); 0: key frames
  /// alone. They have no boxes; maps label them all the same.
  double sweep_interval = 0;
  MapClasses classes = {};                           ///< changes of the classes that maps' features become
  std::optional<VisibilityOptions> visibility = {};  ///< rasters of what the sensors see
};

/// As import_nuscenes, with these differences:
///
/// - A sequence is a scene. train.txt and val.txt have the scenes of nuScenes' own split of the trainval and mini sets.
/// - Cameras: the key frame's own picture, or for sweeps the nearest within 60 ms. A camera that has none is left out
/// of
///   the record, and counted.
/// - Boxes: velocity from the object's places before and after, as long as these lie within 1.5 s each.
/// - Maps: maps/expansion/<location>.json where there are any: lane marks, crossings, stop lines, walkways, the
/// drivable
///   area and its edges. Otherwise the rasters that the tables name: the drivable area and its edges. Otherwise none.
ImportReport import_nuscenes_tables(const std::string& folder, const ImportTablesOptions& options);

}  // namespace bevgrad
