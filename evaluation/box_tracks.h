// Boxes that go on from frame to frame.
#pragma once
#include <cstdint>
#include <list>
#include <string>
#include <vector>

#include "evaluation/evaluator.h"

namespace bevgrad {

/// Numbers the boxes of one drive, frame by frame in time order, as CenterPoint's tracker (Yin et al., "Center-based 3D
/// Object Detection and Tracking", CVPR 2021, section 4.3): every box is moved back by its velocity to where it was in
/// the frame before; best score first, each takes the nearest track of its class that is free and lies within
/// `distance`. The others begin new tracks. A track that nobody takes moves on by its velocity and ends after `max_age`
/// frames. All are new after more than 1 s, or where time goes back.
class BoxTracks {
 public:
  explicit BoxTracks(const BoxTrackOptions& options = {}) : options_(options) {}

  /// Fills in the boxes' track numbers.
  void follow(std::vector<ScoredBox>& boxes, double timestamp, const Pose& ego_pose);

 private:
  struct Track {
    int64_t number = 0;
    int class_id = 0;
    Vec2 at, velocity;  ///< in the world
    int age = 0;        ///< frames since it was taken
  };
  BoxTrackOptions options_;
  std::vector<Track> tracks_;
  double timestamp_ = 0;
  int64_t next_ = 0;
};

/// The same of frames of several drives, of which the 64 last ones are remembered.
class BoxTracker {
 public:
  explicit BoxTracker(const BoxTrackOptions& options = {}) : options_(options) {}

  /// Boxes that have numbers keep them.
  void follow(EvaluationFrame& frame);

 private:
  struct Drive {
    std::string name;
    BoxTracks tracks;
  };
  BoxTrackOptions options_;
  std::list<Drive> drives_;  ///< the present one first
};

}  // namespace bevgrad
