// Which ground a camera sees, past what the LiDAR says stands in the way.
#pragma once
#include <vector>

#include "geometry/camera.h"
#include "tensor/tensor.h"

namespace bevgrad {

/// The ground is z = 0 of the ego frame. A LiDAR return that stands 0.3 to 2.5 m above it hides what lies behind, as
/// seen from the camera (half degrees of azimuth).
class GroundSight {
 public:
  /// `points`: float32 [P,4] in the ego frame, or undefined: nothing hides anything.
  GroundSight(const Camera& camera, const Tensor& points);

  bool has_in_picture(Vec2 ground) const { return projector_.project({ground.x, ground.y, 0}).has_value(); }
  bool sees(Vec2 ground) const { return has_in_picture(ground) && !is_hidden(ground); }

 private:
  struct Sight {
    double range, slope;
  };
  bool is_hidden(Vec2 ground) const;

  CameraProjector projector_;
  Vec3 eye_;
  /// By azimuth and rising range, the steepest line of sight over all returns up to there.
  std::vector<std::vector<Sight>> bins_;
};

}  // namespace bevgrad
