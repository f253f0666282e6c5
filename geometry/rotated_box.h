// Rectangles that are turned on the ground plane: corners, containment, overlap.
#pragma once
#include <array>

#include "geometry/vector.h"

namespace bevgrad {

/// Centre, extent along `angle` (w) and across it (h) in metres, angle in radians.
struct RotatedBox {
  double x = 0, y = 0, w = 0, h = 0, angle = 0;

  bool operator==(const RotatedBox&) const = default;
};

/// Counter-clockwise, beginning at the front left: (+w/2, +h/2), (-w/2, +h/2), (-w/2, -h/2), (+w/2, -h/2).
std::array<Vec2, 4> corners(const RotatedBox& box);

bool contains(const RotatedBox& box, Vec2 point);

/// Area that both cover, by exact clipping of one convex quadrilateral by the other; 0 where a side is not positive or
/// a value is not finite.
double intersection_area(const RotatedBox& a, const RotatedBox& b);

/// Intersection over union in [0, 1]; 0 where an area is not positive.
double rotated_iou(const RotatedBox& a, const RotatedBox& b);

}  // namespace bevgrad
