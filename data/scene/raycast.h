// Rays against upright boxes. Around a sensor the boxes are sorted into slices of azimuth, nearest first, so that a ray
// meets few of them.
#pragma once
#include <cstdint>
#include <vector>

#include "geometry/vector.h"

namespace bevgrad::scene {

/// An upright box in the ego frame: its axes turned by (cosine, sine) about z.
struct CastBox {
  float x = 0, y = 0, cosine = 1, sine = 0;
  float half_length = 0, half_width = 0, z0 = 0, z1 = 1;
};

struct Hit {
  float t = 0;
  int box = -1;           ///< index into the boxes, -1: nothing was hit
  int axis = 0;           ///< 0: front or back, 1: a side, 2: top or bottom
  bool positive = false;  ///< the face towards the positive end of its axis
};

struct Direction {
  float x = 0, y = 0, z = 0;
};

/// Boxes as a sensor at one place sees them.
class SensorView {
 public:
  static constexpr int kBins = 720;

  /// Slice of a horizontal direction.
  static int bin(double dx, double dy);

  SensorView(const std::vector<CastBox>& boxes, Vec3 origin, double range);

  Vec3 origin() const { return origin_; }

  /// The first box that origin + t * direction meets with 0 < t < t_max. `bin` is the direction's slice. A sensor
  /// inside a box does not see that box.
  Hit cast(const Direction& direction, int bin, float t_max) const;

 private:
  struct Local {
    float near;  // horizontal distance
    float x, y;  // the origin in the box's axes
    float cosine, sine, half_length, half_width, z0, z1;
    int box;
  };
  bool intersect(const Local& box, const Direction& direction, float t_max, Hit& hit) const;

  Vec3 origin_;
  std::vector<Local> boxes_;       // nearest first
  std::vector<uint32_t> starts_;   // kBins + 1
  std::vector<uint16_t> members_;  // indices into boxes_
};

}  // namespace bevgrad::scene
