#include "data/maps/visibility.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"

namespace bevgrad {

namespace {

constexpr double kLow = 0.3, kHigh = 2.5;  // metres above the ground: what stands in the way
constexpr double kClear = 0.5;             // metres that a return must lie before a cell to hide it
constexpr int kBins = 720;                 // of azimuth

bool is_in(const Box3d& box, const float* p) {
  const Vec2 offset{p[0] - box.x, p[1] - box.y}, ahead = direction(box.yaw);
  return std::abs(dot(offset, ahead)) <= box.l / 2 && std::abs(cross(ahead, offset)) <= box.w / 2 &&
         std::abs(p[2] - box.z) <= box.h / 2;
}

/// What the LiDAR's returns hide of the ground from a place: by azimuth, the steepest line of sight over all returns up
/// to a distance.
class Horizon {
 public:
  Horizon(const Vec3& eye, const Tensor& points) : eye_(eye), bins_(kBins) {
    if (!points.defined()) return;
    const float* p = points.data<const float>();
    for (int64_t i = 0; i < points.size(0); ++i, p += 4) {
      if (p[2] < kLow || p[2] > kHigh) continue;
      const double range = std::hypot(p[0] - eye.x, p[1] - eye.y);
      if (range > 0.5) bins_[bin_of(p[0] - eye.x, p[1] - eye.y)].push_back({range, (p[2] - eye.z) / range});
    }
    for (auto& bin : bins_) {
      std::sort(bin.begin(), bin.end(), [](const Sight& a, const Sight& b) { return a.range < b.range; });
      for (size_t i = 1; i < bin.size(); ++i) bin[i].slope = std::max(bin[i].slope, bin[i - 1].slope);
    }
  }

  bool hides(double x, double y) const {
    const double range = std::hypot(x - eye_.x, y - eye_.y);
    const auto& bin = bins_[bin_of(x - eye_.x, y - eye_.y)];
    const auto behind = std::lower_bound(bin.begin(), bin.end(), range - kClear,
                                         [](const Sight& sight, double wanted) { return sight.range < wanted; });
    return behind != bin.begin() && std::prev(behind)->slope > -eye_.z / range;
  }

 private:
  struct Sight {
    double range, slope;
  };
  static size_t bin_of(double x, double y) {
    const double turn = std::atan2(y, x) / (2 * std::numbers::pi) + 0.5;
    return static_cast<size_t>(std::clamp(turn * kBins, 0.0, kBins - 1.0));
  }

  Vec3 eye_;
  std::vector<std::vector<Sight>> bins_;
};

void mark_seen_by_camera(const Camera& camera, const Tensor& points, const LabelGrid& grid, uint8_t* layer) {
  const CameraProjector projector(camera);
  const Horizon horizon(camera.sensor2ego.translation(), points);
  const int64_t rows = grid.rows(), columns = grid.columns();
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c) {
      uint8_t& cell = layer[r * columns + c];
      const double x = grid.x_min + (static_cast<double>(c) + 0.5) * grid.cell,
                   y = grid.y_min + (static_cast<double>(r) + 0.5) * grid.cell;
      if (cell == 0 && projector.project({x, y, 0}) && !horizon.hides(x, y)) cell = 1;
    }
}

void mark_seen_by_lidar(const Tensor& points, std::span<const Box3d> boxes, const LabelGrid& grid, uint8_t* layer) {
  const int64_t rows = grid.rows(), columns = grid.columns();
  const float* p = points.data<const float>();
  for (int64_t i = 0; i < points.size(0); ++i, p += 4) {
    const double column = std::floor((p[0] - grid.x_min) / grid.cell),
                 row = std::floor((p[1] - grid.y_min) / grid.cell);
    if (p[2] > kHigh ||
        !(column >= -1 && row >= -1 && column <= static_cast<double>(columns) && row <= static_cast<double>(rows)))
      continue;
    if (std::any_of(boxes.begin(), boxes.end(), [&](const Box3d& box) { return is_in(box, p); })) continue;
    for (auto r = static_cast<int64_t>(row) - 1; r <= static_cast<int64_t>(row) + 1; ++r)
      for (auto c = static_cast<int64_t>(column) - 1; c <= static_cast<int64_t>(column) + 1; ++c)
        if (r >= 0 && c >= 0 && r < rows && c < columns) layer[r * columns + c] = 1;
  }
}

}  // namespace

const VisibilityTracker::Past* VisibilityTracker::past_at(double timestamp) const {
  const Past* best = nullptr;
  for (const Past& past : past_)
    if (const double off = std::abs(past.timestamp - timestamp);
        off <= options_.tolerance && (best == nullptr || off < std::abs(best->timestamp - timestamp)))
      best = &past;
  return best;
}

Tensor VisibilityTracker::add(double timestamp, const Pose& ego_pose, std::span<const Camera> cameras,
                              const Tensor& points, std::span<const Box3d> boxes) {
  check(past_.empty() || past_.back().timestamp < timestamp, "visibility: frames come in the order of time");
  const LabelGrid& grid = options_.grid;
  const int64_t rows = grid.rows(), columns = grid.columns(), cells = rows * columns;
  Tensor layers = zeros({kVisibilityLayers, rows, columns}, {.dtype = DType::UInt8});
  uint8_t* camera_now = layers.data<uint8_t>() + kSeenByCameraNow * cells;
  uint8_t* lidar_now = layers.data<uint8_t>() + kSeenByLidarNow * cells;
  uint8_t* window = layers.data<uint8_t>() + kSeenInWindow * cells;
  for (const Camera& camera : cameras) mark_seen_by_camera(camera, points, grid, camera_now);
  if (points.defined()) mark_seen_by_lidar(points, boxes, grid, lidar_now);
  for (int64_t i = 0; i < cells; ++i) window[i] = camera_now[i] | lidar_now[i];
  past_.push_back({timestamp, ego_pose, std::vector<uint8_t>(window, window + cells)});
  for (const double seconds : options_.window) {
    const Past* past = past_at(timestamp - seconds);
    if (past == nullptr) continue;
    const GroundWarp warp = ground_warp(ego_pose, past->ego_pose);
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < columns; ++c) {
        const Vec2 there = warp.apply({grid.x_min + (static_cast<double>(c) + 0.5) * grid.cell,
                                       grid.y_min + (static_cast<double>(r) + 0.5) * grid.cell});
        const double column = std::floor((there.x - grid.x_min) / grid.cell),
                     row = std::floor((there.y - grid.y_min) / grid.cell);
        if (column >= 0 && row >= 0 && column < static_cast<double>(columns) && row < static_cast<double>(rows))
          window[r * columns + c] |=
              past->seen[static_cast<size_t>(row) * static_cast<size_t>(columns) + static_cast<size_t>(column)];
      }
  }
  const double oldest =
      timestamp - options_.tolerance -
      (options_.window.empty() ? 0 : *std::max_element(options_.window.begin(), options_.window.end()));
  while (past_.front().timestamp < oldest) past_.pop_front();
  return layers;
}

}  // namespace bevgrad
