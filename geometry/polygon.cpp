#include "geometry/polygon.h"

namespace bevgrad {

double signed_area(std::span<const Vec2> polygon) {
  double twice = 0;
  for (size_t i = 0; i < polygon.size(); ++i) twice += cross(polygon[i], polygon[(i + 1) % polygon.size()]);
  return twice / 2;
}

bool contains(std::span<const Vec2> polygon, Vec2 point) {
  bool inside = false;
  for (size_t i = 0, j = polygon.size() - 1; i < polygon.size(); j = i++) {
    const Vec2 a = polygon[i], b = polygon[j];
    if ((a.y > point.y) != (b.y > point.y) && point.x < (b.x - a.x) * (point.y - a.y) / (b.y - a.y) + a.x)
      inside = !inside;
  }
  return inside;
}

std::vector<Vec2> clip_left_of(std::span<const Vec2> polygon, Vec2 a, Vec2 b) {
  std::vector<Vec2> kept;
  const Vec2 edge = b - a;
  for (size_t i = 0; i < polygon.size(); ++i) {
    const Vec2 p = polygon[i], q = polygon[(i + 1) % polygon.size()];
    const double side_p = cross(edge, p - a), side_q = cross(edge, q - a);
    if (side_p >= 0) kept.push_back(p);
    if ((side_p > 0 && side_q < 0) || (side_p < 0 && side_q > 0))
      kept.push_back(p + (q - p) * (side_p / (side_p - side_q)));
  }
  return kept;
}

}  // namespace bevgrad
