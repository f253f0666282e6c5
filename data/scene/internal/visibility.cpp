#include "scene/internal/visibility.h"

#include <algorithm>
#include <cmath>

namespace bevgrad::scene {

CameraCoverage::CameraCoverage(const Camera& camera, const LabelGrid& grid) {
  const CameraProjector projector(camera);
  const Vec3 o = camera.sensor2ego.translation();
  const int64_t rows = grid.rows(), columns = grid.columns();
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c) {
      const Vec3 p = {grid.x_min + (static_cast<double>(c) + 0.5) * grid.cell,
                      grid.y_min + (static_cast<double>(r) + 0.5) * grid.cell, 0};
      if (!projector.project(p)) continue;
      const Vec3 d = p - o;
      const double horizontal = std::hypot(d.x, d.y);
      cells_.push_back({static_cast<uint32_t>(r * columns + c),
                        static_cast<int16_t>(SensorView::bin(d.x, d.y)),
                        {static_cast<float>(d.x), static_cast<float>(d.y), static_cast<float>(d.z)},
                        static_cast<float>(1 - 0.5 / std::max(1.0, horizontal))});
    }
}

void CameraCoverage::mark_visible(const SensorView& view, CellMask& mask) const {
  for (const Cell& cell : cells_)
    if (!mask[cell.index] && view.cast(cell.offset, cell.bin, cell.tolerance).box < 0) mask[cell.index] = 1;
}

void mark_points(const std::vector<Vec2>& points, const LabelGrid& grid, CellMask& mask) {
  const int64_t rows = grid.rows(), columns = grid.columns();
  for (Vec2 p : points) {
    const auto r = static_cast<int64_t>(std::floor((p.y - grid.y_min) / grid.cell)),
               c = static_cast<int64_t>(std::floor((p.x - grid.x_min) / grid.cell));
    for (int64_t i = std::max<int64_t>(0, r - 1); i <= std::min(rows - 1, r + 1); ++i)
      for (int64_t j = std::max<int64_t>(0, c - 1); j <= std::min(columns - 1, c + 1); ++j)
        mask[static_cast<size_t>(i * columns + j)] = 1;
  }
}

SeenWindow::SeenWindow(std::vector<double> intervals, double tolerance, const LabelGrid& grid)
    : intervals_(std::move(intervals)), tolerance_(tolerance), grid_(grid) {}

CellMask SeenWindow::update(double timestamp, const Pose& pose, const CellMask& seen_now) {
  CellMask result = seen_now;
  const int64_t rows = grid_.rows(), columns = grid_.columns();
  double longest = 0;
  for (double interval : intervals_) {
    longest = std::max(longest, interval);
    const Frame* best = nullptr;
    double best_error = tolerance_ + 1e-9;
    for (const Frame& frame : frames_) {  // oldest first: of two as close the newer wins
      const double error = std::abs(timestamp - frame.timestamp - interval);
      if (error <= best_error) {
        best = &frame;
        best_error = error;
      }
    }
    if (!best) continue;
    const GroundWarp warp = ground_warp(pose, best->pose);
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < columns; ++c) {
        uint8_t& cell = result[static_cast<size_t>(r * columns + c)];
        if (cell) continue;
        const Vec2 p = warp.apply({grid_.x_min + (static_cast<double>(c) + 0.5) * grid_.cell,
                                   grid_.y_min + (static_cast<double>(r) + 0.5) * grid_.cell});
        const double row = std::floor((p.y - grid_.y_min) / grid_.cell),
                     column = std::floor((p.x - grid_.x_min) / grid_.cell);
        if (row < 0 || column < 0 || row >= static_cast<double>(rows) || column >= static_cast<double>(columns))
          continue;
        cell = best->seen[static_cast<size_t>(static_cast<int64_t>(row) * columns + static_cast<int64_t>(column))];
      }
  }
  frames_.push_back({timestamp, pose, seen_now});
  while (frames_.front().timestamp < timestamp - longest - 2 * tolerance_ - 0.5) frames_.pop_front();
  return result;
}

}  // namespace bevgrad::scene
