// nuScenes' tracking metrics (Caesar et al., CVPR 2020, and its devkit; AMOTA and AMOTP after Weng et al., "3D
// Multi-Object Tracking: A Baseline and New Evaluation Metrics", IROS 2020).
#pragma once
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <vector>

#include "evaluation/evaluator.h"

namespace bevgrad {

/// What tracking is judged by of a box, on the ground of the world.
struct TrackedBox {
  int class_id = 0;
  int64_t track = 0;
  Vec2 at;
  double score = 1;
};

struct TrackedFrame {
  double timestamp = 0;
  std::vector<TrackedBox> truth, found;
};

/// The frames of a drive, in time order.
using TrackedDrive = std::vector<TrackedFrame>;

/// What a frame adds to its drive: labelled boxes that are true boxes of `range` and have a number, predicted ones in
/// range that have one. Nothing where nobody numbers labelled boxes.
std::optional<TrackedFrame> tracked_frame(const std::vector<ScoredBox>& found, const std::vector<Box3d>& truth,
                                          double timestamp, const Pose& ego_pose, const LabelGrid& range);

/// Frames in which a track is missing between two that have it get it in between, at a place and score on the straight
/// line.
TrackedDrive interpolated(const TrackedDrive& drive);

/// Figures of one class. Averages are over 40 recalls from 0.1 to 1 and the scores at which they would be reached, of
/// which one that is not reached counts as worst (0, 2 m); the others are of the score at which MOTA is best.
struct TrackingFigures {
  double amota = 0, amotp = 2;
  double recall = 0, mota = 0;  ///< MOTA is cut at 0
  double motp = 2;              ///< metres
  int64_t truths = 0, tracks = 0;
  int64_t mostly_tracked = 0, mostly_lost = 0;  ///< tracks found in 0.8 of their frames or more, in less than 0.2
  int64_t matches = 0, misses = 0;
  /// Nothing where no recall is reached at all.
  std::optional<int64_t> false_alarms, switches, fragments;
};

/// Boxes match within 2 m. A track's score is the mean of its boxes'. Nothing where no truth is of the class.
std::optional<TrackingFigures> tracking_figures(const std::vector<TrackedDrive>& drives, int class_id);

nlohmann::json to_json(const TrackedDrive& drive);
TrackedDrive tracked_drive_from_json(const nlohmann::json& json);

}  // namespace bevgrad
