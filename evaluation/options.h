// What is evaluated, and at which thresholds. The defaults are those of the shipped configs.
#pragma once
#include <array>
#include <string>
#include <vector>

#include "data/label_schema.h"

namespace bevgrad {

/// A named part of the grid, in metres of the ego frame. It may reach past the grid; what counts is the cut.
struct EvaluationRange {
  std::string name;
  double y_min = 0, y_max = 0, x_min = 0, x_max = 0;
};

struct EvaluationOptions {
  LabelSchema labels;
  /// LiDAR counts as "seen now".
  bool use_lidar = true;
  float iou_threshold = 0.5f;

  bool series_eval = true;
  std::vector<double> series_conf = {0.9, 0.85, 0.8, 0.75, 0.7};
  double series_distance = 0.25;  ///< metres
  std::vector<EvaluationRange> ranges = {{"all", -22.4, 22.4, -20.8, 62.4},
                                         {"main", -8, 8, -20, 120},
                                         {"main_near", -8, 8, 0, 30},
                                         {"main_middle", -8, 8, 30, 60},
                                         {"main_far", -8, 8, 60, 120}};
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
  bool flicker = true;
};

}  // namespace bevgrad
