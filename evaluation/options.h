// What is evaluated, and at which thresholds. The defaults are those of the shipped configs.
#pragma once
#include <array>
#include <string>
#include <vector>

#include "base/full_size.h"
#include "data/label_schema.h"

namespace bevgrad {

/// A named part of the grid, in metres of the ego frame. It may reach past the grid; what counts is the cut.
struct EvaluationRange {
  std::string name;
  double y_min = 0, y_max = 0, x_min = 0, x_max = 0;
};
/// Those of the full-size system.
inline std::vector<EvaluationRange> default_ranges() {
  std::vector<EvaluationRange> ranges;
  for (const auto& [name, y_min, y_max, x_min, x_max] : full_size::kEvaluationRanges)
    ranges.push_back({name, y_min, y_max, x_min, x_max});
  return ranges;
}

/// By what boxes of one frame are found again in the next (box_tracks.h).
struct BoxTrackOptions {
  double distance = 2;  ///< metres between where a box was and where the track is
  int max_age = 3;      ///< frames for which a track lives on that nobody takes
};

struct EvaluationOptions {
  LabelSchema labels;
  /// LiDAR counts as "seen now".
  bool use_lidar = true;
  float iou_threshold = 0.5f;

  bool series_eval = true;
  std::vector<double> series_conf = {0.9, 0.85, 0.8, 0.75, 0.7};
  double series_distance = 0.25;  ///< metres
  std::vector<EvaluationRange> ranges = default_ranges();
  /// Road classes that are lines; the others are areas. Lane classes are all lines.
  std::vector<std::string> line_classes = {"Wall", "Curb"};

  bool chamfer_ap = true;
  std::vector<std::array<double, 3>> chamfer_thresholds = {{0.2, 0.5, 1.0}, {0.5, 1.0, 1.5}, {1.0, 1.5, 2.0}};
  float lane_vector_threshold = 0.3f;
  int lane_vector_points = 10;

  bool instance_ap = true;
  double instance_iou = 0.5;
  bool dynamic_ap = true;
  std::vector<double> dynamic_distances = {0.5, 1, 2, 4};
  bool tracking = true;
  BoxTrackOptions tracks;
  bool flicker = true;
};

}  // namespace bevgrad
