#include "tasks/occupancy/ray_iou.h"

#include <cmath>
#include <numbers>

#include "data/sample.h"
#include "data/voxel_walk.h"

namespace bevgrad {
namespace {

/// Downward to the ground at 1, 2, .. 10 times the sensor's height, and on in even steps.
std::vector<double> elevations() {
  std::vector<double> angles;
  for (int k = 1; k <= 10; ++k) angles.push_back(-std::atan(1.0 / k));
  const double step = angles[9] - angles[8];
  while (angles.back() < 0.21) angles.push_back(angles.back() + step);
  return angles;
}

}  // namespace

RayIou::RayIou(const OccupancySpace& space)
    : grid_(space.grid), free_(space.free()), counts_(static_cast<size_t>(space.free()) * kCounts) {
  for (const double elevation : elevations())
    for (int degree = 0; degree < 360; ++degree) {
      const double azimuth = degree * std::numbers::pi / 180;
      directions_.push_back(
          {std::cos(elevation) * std::cos(azimuth), std::cos(elevation) * std::sin(azimuth), std::sin(elevation)});
    }
}

RayIou::End RayIou::end_of(const Vec3& direction, const uint8_t* voxels) const {
  End end = {free_, 0};
  const double reach = grid_.cell * static_cast<double>(grid_.levels + grid_.rows + grid_.columns);
  walk_voxels(grid_, kRayOrigin, kRayOrigin + direction * reach, [&](int64_t voxel) {
    if (voxels[voxel] == free_) return true;
    const auto centre = [&](int64_t i, double low) { return low + (static_cast<double>(i) + 0.5) * grid_.cell; };
    const Vec3 at = {centre(voxel % grid_.columns, grid_.x_min),
                     centre(voxel / grid_.columns % grid_.rows, grid_.y_min),
                     centre(voxel / (grid_.columns * grid_.rows), grid_.z_min)};
    const Vec3 away = at - kRayOrigin;
    end = {voxels[voxel] == kIgnoreLabel ? -1 : int64_t{voxels[voxel]}, std::hypot(away.x, away.y, away.z)};
    return false;
  });
  return end;
}

void RayIou::add(const uint8_t* labels, const uint8_t* predicted) {
  for (const Vec3& direction : directions_) {
    const End truth = end_of(direction, labels);
    if (truth.class_id < 0 || truth.class_id == free_) continue;
    const End found = end_of(direction, predicted);
    ++count(truth.class_id, kLabelled);
    if (found.class_id != free_) ++count(found.class_id, kPredicted);
    for (size_t d = 0; d < kDistances.size(); ++d)
      count(truth.class_id, kRight + d) +=
          found.class_id == truth.class_id && std::abs(found.distance - truth.distance) < kDistances[d];
  }
}

Ratio RayIou::of(int64_t class_id, size_t distance) const {
  const int64_t right = count(class_id, kRight + distance);
  return ratio(static_cast<double>(right),
               static_cast<double>(count(class_id, kLabelled) + count(class_id, kPredicted) - right));
}

Ratio RayIou::mean(size_t distance) const {
  std::vector<Ratio> all;
  for (int64_t c = 0; c < free_; ++c) all.push_back(of(c, distance));
  return mean_of(all);
}

std::vector<int64_t> RayIou::counts() const {
  return counts_;
}

void RayIou::add_counts(const std::vector<int64_t>& counts) {
  for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += counts.at(i);
}

}  // namespace bevgrad
