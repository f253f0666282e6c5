// Logs of Argoverse 2's sensor dataset as a dataset.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "data/maps/vector_map.h"
#include "data/maps/visibility.h"

namespace bevgrad {

struct ImportAv2Options {
  std::vector<std::string> logs = {};  ///< folders
  /// Empty: the ring cameras that a log has pictures of.
  std::vector<std::string> cameras = {};
  /// Changes of the classes that a map's features become, by kind: see map_kinds().
  MapClasses classes = {};
  std::optional<VisibilityOptions> visibility = {};  ///< rasters of what the sensors see
};

struct ImportAv2Report {
  int64_t logs = 0, frames = 0, boxes = 0;
  std::map<std::string, int64_t> left_out;  ///< boxes of other classes, by Argoverse's names
  std::vector<std::string> remarks;
  std::set<std::string> cameras;  ///< that any frame has a picture of
};

/// Writes lmdb/frames, lmdb.txt and all.txt into `folder`, which must not exist or be empty and appears only when all
/// is done. Throws in one line for whatever is missing, damaged or out of range. A frame is a LiDAR sweep.
///
/// - Ego frame: Argoverse's, moved down from the rear axle to the ground: by the median of what the log's ground
///   heights say, or 0.33 m where it has none.
/// - Cameras: the picture nearest in time, at most 60 ms off, or none; extrinsics hold the vehicle's motion between the
///   moments.
/// - Points: as they are (float32), intensity / 255. Boxes: yaw alone; velocity from the track's places in the sweeps
///   around, where they are less than a second apart; points as counted.
/// - Lane marks, crossings, drivable areas and their edges within 120 m, from the log's map, by `classes`.
ImportAv2Report import_av2(const std::string& folder, const ImportAv2Options& options);

}  // namespace bevgrad
