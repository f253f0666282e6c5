// What a vehicle's sensors see of the ground, from real data: calibrations, LiDAR returns and poses.
#pragma once
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "data/label_schema.h"
#include "data/sample.h"

namespace bevgrad {

struct VisibilityOptions {
  LabelGrid grid;                                ///< of the config that will read the records
  std::vector<double> window = {0.7, 1.9, 3.3};  ///< seconds back, of the frames that count besides the present one
  double tolerance = 0.1;
};

/// A sequence's visibility, frame by frame in the order of time.
///
/// - Seen by a camera: the cell's ground appears in a picture, and no LiDAR return that stands 0.3 to 2.5 m above the
///   ground before it hides it, as seen from that camera (half degrees of azimuth).
/// - Seen by the LiDAR: a return of at most 2.5 m above the ground, in no box, lies in the cell or in one of the eight
///   around it.
/// - Within the window: either of them now, or in the frame nearest to each of the window's times, where one is within
///   the tolerance, brought here by the poses.
class VisibilityTracker {
 public:
  explicit VisibilityTracker(const VisibilityOptions& options) : options_(options) {}

  /// uint8 [3,rows,columns], see VisibilityLayer. `points` may be undefined.
  Tensor add(double timestamp, const Pose& ego_pose, std::span<const Camera> cameras, const Tensor& points,
             std::span<const Box3d> boxes);

 private:
  struct Past {
    double timestamp;
    Pose ego_pose;
    std::vector<uint8_t> seen;
  };
  const Past* past_at(double timestamp) const;

  VisibilityOptions options_;
  std::deque<Past> past_;
};

}  // namespace bevgrad
