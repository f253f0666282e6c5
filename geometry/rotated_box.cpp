#include "geometry/rotated_box.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "geometry/polygon.h"

namespace bevgrad {

namespace {

bool is_usable(const RotatedBox& b) {
  return std::isfinite(b.x) && std::isfinite(b.y) && std::isfinite(b.angle) && std::isfinite(b.w) &&
         std::isfinite(b.h) && b.w > 0 && b.h > 0;
}

}  // namespace

std::array<Vec2, 4> corners(const RotatedBox& box) {
  const Vec2 centre = {box.x, box.y};
  const Vec2 along = direction(box.angle) * (box.w / 2), across = left_of(direction(box.angle)) * (box.h / 2);
  return {centre + along + across, centre - along + across, centre - along - across, centre + along - across};
}

bool contains(const RotatedBox& box, Vec2 point) {
  const Vec2 offset = point - Vec2{box.x, box.y};
  const Vec2 along = direction(box.angle);
  return std::abs(dot(offset, along)) <= box.w / 2 && std::abs(cross(along, offset)) <= box.h / 2;
}

double intersection_area(const RotatedBox& a, const RotatedBox& b) {
  if (!is_usable(a) || !is_usable(b)) return 0;
  const double reach = std::hypot(a.w, a.h) / 2 + std::hypot(b.w, b.h) / 2;
  const Vec2 offset = {b.x - a.x, b.y - a.y};
  if (norm(offset) >= reach) return 0;
  // Relative to a's centre, so that places far from the origin lose no digits.
  const auto first = corners({0, 0, a.w, a.h, a.angle});
  const auto second = corners({offset.x, offset.y, b.w, b.h, b.angle});
  std::vector<Vec2> clipped(first.begin(), first.end());
  for (size_t i = 0; i < 4 && !clipped.empty(); ++i) clipped = clip_left_of(clipped, second[i], second[(i + 1) % 4]);
  return std::max(0.0, signed_area(clipped));
}

double rotated_iou(const RotatedBox& a, const RotatedBox& b) {
  const double shared = intersection_area(a, b);
  if (!(shared > 0)) return 0;
  const double together = a.w * a.h + b.w * b.h - shared;
  return together > 0 ? std::clamp(shared / together, 0.0, 1.0) : 0;
}

}  // namespace bevgrad
