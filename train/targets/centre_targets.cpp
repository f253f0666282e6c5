#include "train/targets/centre_targets.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "evaluation/true_boxes.h"
#include "models/decode_peaks.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

constexpr double kMinOverlap = 0.1;
constexpr int64_t kMinRadius = 2;

/// Builds the targets object by object.
class Collector {
 public:
  Collector(int64_t samples, int64_t classes, const CentreGrid& grid)
      : grid_(grid),
        heatmap_(zeros({samples, classes, grid.rows, grid.columns}, {.format = MemoryFormat::ChannelsLast})) {}

  void ignore(int64_t sample) { ops::fill_(ops::select(heatmap_, 0, sample), -1.0); }

  /// Whether the centre lies within the grid; if so, its cell.
  bool locate(double x, double y, int64_t& row, int64_t& column) const {
    column = static_cast<int64_t>(std::floor((x - grid_.x_min) / grid_.cell));
    row = static_cast<int64_t>(std::floor((y - grid_.y_min) / grid_.cell));
    return row >= 0 && row < grid_.rows && column >= 0 && column < grid_.columns;
  }

  void add(int64_t sample, int64_t class_id, int64_t row, int64_t column, double width, double height,
           std::initializer_list<double> values) {
    const double radius = gaussian_radius(width / grid_.cell, height / grid_.cell, kMinOverlap);
    draw(sample, class_id, row, column, std::max(kMinRadius, static_cast<int64_t>(radius)));
    cells_.push_back((sample * grid_.rows + row) * grid_.columns + column);
    for (const double value : values) values_.push_back(static_cast<float>(value));
  }

  CentreTargets finish(int64_t channels) {
    const auto count = static_cast<int64_t>(cells_.size());
    CentreTargets targets{heatmap_, empty({count}, {.dtype = DType::Int64}), empty({count, channels})};
    std::copy(cells_.begin(), cells_.end(), targets.cells.data<int64_t>());
    std::copy(values_.begin(), values_.end(), targets.values.data<float>());
    return targets;
  }

 private:
  void draw(int64_t sample, int64_t class_id, int64_t row, int64_t column, int64_t radius) {
    const double sigma = (2.0 * static_cast<double>(radius) + 1) / 6;
    float* base = heatmap_.data<float>() + sample * heatmap_.stride(0) + class_id * heatmap_.stride(1);
    for (int64_t r = std::max<int64_t>(0, row - radius); r <= std::min(grid_.rows - 1, row + radius); ++r) {
      for (int64_t c = std::max<int64_t>(0, column - radius); c <= std::min(grid_.columns - 1, column + radius); ++c) {
        const auto dr = static_cast<double>(r - row), dc = static_cast<double>(c - column);
        const auto value = static_cast<float>(std::exp(-(dr * dr + dc * dc) / (2 * sigma * sigma)));
        float& cell = base[r * heatmap_.stride(2) + c * heatmap_.stride(3)];
        cell = std::max(cell, value);
      }
    }
  }

  CentreGrid grid_;
  Tensor heatmap_;
  std::vector<int64_t> cells_;
  std::vector<float> values_;
};

std::string key_of(const Batch& batch, int64_t sample) {
  return static_cast<size_t>(sample) < batch.keys.size() ? batch.keys[static_cast<size_t>(sample)]
                                                         : std::to_string(sample);
}

}  // namespace

double gaussian_radius(double width, double height, double min_overlap) {
  const double sum = height + width, area = width * height;
  const double c1 = area * (1 - min_overlap) / (1 + min_overlap);
  const double r1 = (sum + std::sqrt(sum * sum - 4 * c1)) / 2;
  const double c2 = (1 - min_overlap) * area;
  const double r2 = (2 * sum + std::sqrt(4 * sum * sum - 16 * c2)) / 2;
  const double a3 = 4 * min_overlap, b3 = -2 * min_overlap * sum, c3 = (min_overlap - 1) * area;
  const double r3 = (b3 + std::sqrt(b3 * b3 - 4 * a3 * c3)) / 2;
  return std::min({r1, r2, r3});
}

CentreTargets instance_targets(const Batch& batch, const CentreGrid& grid, int64_t classes,
                               const std::vector<bool>& symmetric) {
  Collector collector(batch.size(), classes, grid);
  for (int64_t n = 0; n < batch.size(); ++n) {
    const auto sample = static_cast<size_t>(n);
    if (!batch.has_instances[sample]) {
      collector.ignore(n);
      continue;
    }
    for (const Instance& instance : batch.instances[sample]) {
      check(instance.class_id >= 0 && instance.class_id < classes,
            "sample {}: an instance has class {}, expected 0 to {}", key_of(batch, n), instance.class_id, classes - 1);
      check(instance.w > 0 && instance.h > 0, "sample {}: an instance is {} m x {} m, expected a positive size",
            key_of(batch, n), instance.w, instance.h);
      int64_t row = 0, column = 0;
      if (!collector.locate(instance.x, instance.y, row, column)) continue;
      const bool is_symmetric = symmetric.at(static_cast<size_t>(instance.class_id));
      const double angle = folded_angle(instance.angle, is_symmetric);
      const double dx = (instance.x - grid.x_min) / grid.cell - (static_cast<double>(column) + 0.5);
      const double dy = (instance.y - grid.y_min) / grid.cell - (static_cast<double>(row) + 0.5);
      collector.add(n, instance.class_id, row, column, instance.w, instance.h,
                    {dx, dy, std::log(instance.w), std::log(instance.h), std::sin(angle), std::cos(angle)});
    }
  }
  return collector.finish(6);
}

CentreTargets box_targets(const Batch& batch, const CentreGrid& grid, int64_t classes, const LabelGrid& range) {
  constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
  Collector collector(batch.size(), classes, grid);
  for (int64_t n = 0; n < batch.size(); ++n) {
    const auto sample = static_cast<size_t>(n);
    if (!batch.has_boxes[sample]) {
      collector.ignore(n);
      continue;
    }
    for (const Box3d& box : batch.boxes[sample]) {
      check(box.class_id >= 0 && box.class_id < classes, "sample {}: a box has class {}, expected 0 to {}",
            key_of(batch, n), box.class_id, classes - 1);
      check(box.l > 0 && box.w > 0 && box.h > 0, "sample {}: a box is {} x {} x {} m, expected a positive size",
            key_of(batch, n), box.l, box.w, box.h);
      int64_t row = 0, column = 0;
      if (!is_true_box(box, range) || !collector.locate(box.x, box.y, row, column)) continue;
      const double dx = (box.x - grid.x_min) / grid.cell - static_cast<double>(column);
      const double dy = (box.y - grid.y_min) / grid.cell - static_cast<double>(row);
      collector.add(n, box.class_id, row, column, box.l, box.w,
                    {dx, dy, box.z, std::log(box.l), std::log(box.w), std::log(box.h), std::sin(box.yaw),
                     std::cos(box.yaw), box.has_velocity ? box.vx : kUnknown, box.has_velocity ? box.vy : kUnknown});
    }
  }
  return collector.finish(10);
}

}  // namespace bevgrad
