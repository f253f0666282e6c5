#include "internal/points_in_boxes.h"

#include <cmath>

namespace bevgrad {

int64_t count_inside(const Box3d& box, const Tensor& points, double margin) {
  const Vec2 ahead = direction(box.yaw);
  const float* p = points.data<const float>();
  int64_t inside = 0;
  for (int64_t i = 0; i < points.size(0); ++i, p += 4) {
    const Vec2 offset{p[0] - box.x, p[1] - box.y};
    inside += std::abs(dot(offset, ahead)) <= box.l / 2 + margin &&
              std::abs(cross(ahead, offset)) <= box.w / 2 + margin && std::abs(p[2] - box.z) <= box.h / 2 + margin;
  }
  return inside;
}

void CountedPoints::add(const Box3d& box, const Tensor& points) {
  if (box.num_lidar_points <= 0) return;
  counted += box.num_lidar_points;
  found += count_inside(box, points);
}

bool CountedPoints::belong_together() const {
  constexpr int64_t kFewPoints = 50;
  return counted < kFewPoints || 5 * found >= 4 * counted;
}

}  // namespace bevgrad
