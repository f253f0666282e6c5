// Occupancy labels for records of real drives.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace bevgrad {

struct LabelVoxelsOptions {
  VoxelGrid grid;
  /// Where the LiDAR is in the ego frame, for records that do not say it.
  std::optional<Vec3> lidar;
  /// Key sweeps before and after a sweep that its labels are made of; there is one a metre or a second.
  int keys = 25;
  /// Of the records' road classes: ground on it is "road".
  std::string drivable = "Freespace";
};

struct LabelVoxelsReport {
  int64_t records = 0, labelled = 0;
  std::map<std::string, int64_t> voxels;  ///< by class, "free" and "not known" among them
  std::vector<std::string> remarks;
};

/// Writes a copy of a dataset, its lists and LMDBs, under `folder` (which must not exist or be empty), whose records
/// have labels.voxels: AccumulatedVoxels' of each sequence's sweeps that have points and are labelled with boxes; the
/// other records stay as they are. Classes are those of the boxes, "road" where the records label what is drivable,
/// "ground" and "other". Poses are the true ones where they are known. The same data give the same bytes. Holds the key
/// sweeps around one record at a time.
LabelVoxelsReport label_voxels(const Dataset& dataset, const std::string& folder, const LabelVoxelsOptions& options);

}  // namespace bevgrad
