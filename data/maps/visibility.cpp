#include "data/maps/visibility.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "data/maps/ground_sight.h"

namespace bevgrad {

namespace {

constexpr double kMarksBelow = 2.5;  // metres above the ground: what marks it

bool is_in(const Box3d& box, const float* p) {
  const Vec2 offset{p[0] - box.x, p[1] - box.y}, ahead = direction(box.yaw);
  return std::abs(dot(offset, ahead)) <= box.l / 2 && std::abs(cross(ahead, offset)) <= box.w / 2 &&
         std::abs(p[2] - box.z) <= box.h / 2;
}

void mark_seen_by_camera(const Camera& camera, const Tensor& points, const LabelGrid& grid, uint8_t* layer) {
  const GroundSight sight(camera, points);
  const int64_t rows = grid.rows(), columns = grid.columns();
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c) {
      uint8_t& cell = layer[r * columns + c];
      const double x = grid.x_min + (static_cast<double>(c) + 0.5) * grid.cell,
                   y = grid.y_min + (static_cast<double>(r) + 0.5) * grid.cell;
      if (cell == 0 && sight.sees({x, y})) cell = 1;
    }
}

void mark_seen_by_lidar(const Tensor& points, std::span<const Box3d> boxes, const LabelGrid& grid, uint8_t* layer) {
  const int64_t rows = grid.rows(), columns = grid.columns();
  const float* p = points.data<const float>();
  for (int64_t i = 0; i < points.size(0); ++i, p += 4) {
    const double column = std::floor((p[0] - grid.x_min) / grid.cell),
                 row = std::floor((p[1] - grid.y_min) / grid.cell);
    if (p[2] > kMarksBelow ||
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
