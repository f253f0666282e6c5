#include "data/maps/ground_sight.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace bevgrad {

namespace {

constexpr double kLowestInTheWay = 0.3, kHighestInTheWay = 2.5;  // metres above the ground: what stands in the way
constexpr double kClear = 0.5;  // metres that a return must lie before a place to hide it
constexpr int kAzimuths = 720;  // of azimuth

size_t bin_of(double x, double y) {
  const double turn = std::atan2(y, x) / (2 * std::numbers::pi) + 0.5;
  return static_cast<size_t>(std::clamp(turn * kAzimuths, 0.0, kAzimuths - 1.0));
}

}  // namespace

GroundSight::GroundSight(const Camera& camera, const Tensor& points)
    : projector_(camera), eye_(camera.sensor2ego.translation()), bins_(kAzimuths) {
  if (!points.defined()) return;
  const float* p = points.data<const float>();
  for (int64_t i = 0; i < points.size(0); ++i, p += 4) {
    if (p[2] < kLowestInTheWay || p[2] > kHighestInTheWay) continue;
    const double range = std::hypot(p[0] - eye_.x, p[1] - eye_.y);
    if (range > 0.5) bins_[bin_of(p[0] - eye_.x, p[1] - eye_.y)].push_back({range, (p[2] - eye_.z) / range});
  }
  for (auto& bin : bins_) {
    std::sort(bin.begin(), bin.end(), [](const Sight& a, const Sight& b) { return a.range < b.range; });
    for (size_t i = 1; i < bin.size(); ++i) bin[i].slope = std::max(bin[i].slope, bin[i - 1].slope);
  }
}

bool GroundSight::is_hidden(Vec2 ground) const {
  const double range = std::hypot(ground.x - eye_.x, ground.y - eye_.y);
  const auto& bin = bins_[bin_of(ground.x - eye_.x, ground.y - eye_.y)];
  const auto behind = std::lower_bound(bin.begin(), bin.end(), range - kClear,
                                       [](const Sight& sight, double wanted) { return sight.range < wanted; });
  return behind != bin.begin() && std::prev(behind)->slope > -eye_.z / range;
}

}  // namespace bevgrad
