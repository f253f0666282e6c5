// What a dataset holds, counted.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "data/check/classes.h"
#include "data/dataset.h"

namespace bevgrad {

struct CameraSummary {
  std::string name, group, model;
  std::map<std::pair<int, int>, int64_t> sizes;  ///< width and height -> records
  double field_of_view = 0;                      ///< of the first, horizontally, in degrees
};

struct SetSummary {
  std::string name;
  int64_t entries = 0;  ///< repeats counted
  int64_t sequences = 0, streams = 0;
  int64_t shortest = 0, longest = 0;                  ///< frames of a stream
  double seconds = 0;                                 ///< of all streams
  double period = 0;                                  ///< median time between frames
  double metres = 0;                                  ///< driven, by the poses of the records that were looked at
  double x_min = 0, x_max = 0, y_min = 0, y_max = 0;  ///< where, in the world frame
};

struct DatasetSummary {
  int64_t records = 0, looked_at = 0;
  int64_t bytes = 0;  ///< of those that were looked at
  std::vector<SetSummary> sets;
  std::vector<CameraSummary> cameras;
  int64_t with_points = 0, with_boxes = 0, with_instances = 0, with_visibility = 0, with_voxels = 0;
  /// "motion: parked" of boxes and lane shapes -> how many.
  std::map<std::string, int64_t> attributes;
  double points = 0;  ///< a record with points, on average
  ClassTally classes{LabelSchema()};
  /// Shares of all label cells that are seen by a camera, by the LiDAR, and within the window.
  double seen[3] = {0, 0, 0};
};

/// Looks into `most` records, spread over the data; 0: all.
DatasetSummary summarise(const Dataset& dataset, int64_t most = 0);

}  // namespace bevgrad
