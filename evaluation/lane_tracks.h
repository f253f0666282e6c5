// Lane vectors that go on from frame to frame, and whether a true one is found by the same predicted one.
#pragma once
#include <cstdint>
#include <list>
#include <map>
#include <string>
#include <vector>

#include "evaluation/lane_vectors.h"
#include "geometry/pose.h"

namespace bevgrad {

/// Numbers the lanes of one drive, frame by frame in time order. A lane goes on as the lane of its class that lies
/// nearest once the poses have moved it to where the vehicle is now, nearest pair first, each once. How near: the mean
/// distance of the points of one from the other, seen from the side where it is smaller, for lanes come into view and
/// leave it; at most 1 m. All are new after more than 1 s, or where time goes back.
class LaneTracks {
 public:
  /// One number a lane.
  std::vector<int64_t> follow(const std::vector<LaneVector>& lanes, double timestamp, const Pose& ego_pose);

 private:
  std::vector<LaneVector> lanes_;
  std::vector<int64_t> numbers_;
  double timestamp_ = 0;
  Pose ego_pose_;
  int64_t next_ = 0;
};

/// Over drives, of which the 16 last ones are remembered: which predicted lane was the first to find each true one. A
/// match stays where it is of that predicted lane (consistency-aware AP of Chen et al., "MapTracker: Tracking with
/// Strided Memory Fusion for Consistent Vector HD Mapping", ECCV 2024).
class LaneFinders {
 public:
  explicit LaneFinders(size_t thresholds) : thresholds_(thresholds) {}

  /// Goes to a drive's next frame.
  void next(const std::string& drive, const std::vector<LaneVector>& predicted, const std::vector<LaneVector>& truth,
            double timestamp, const Pose& ego_pose);
  /// Of a match in that frame, by the lanes' places in their lists: whether it stays. It is remembered.
  bool stays(size_t threshold, size_t predicted, size_t truth);

 private:
  struct Drive {
    std::string name;
    LaneTracks predicted_tracks, true_tracks;
    std::vector<int64_t> predicted, truth;             ///< the frame's numbers
    std::vector<std::map<int64_t, int64_t>> found_by;  ///< [threshold]: true lane -> predicted lane that was the first
  };
  size_t thresholds_;
  std::list<Drive> drives_;  ///< the present one first
};

}  // namespace bevgrad
