#include "tasks/centre/centre_targets.h"

#include <algorithm>
#include <cmath>

#include "tensor/ops.h"

namespace bevgrad {
namespace {

constexpr double kMinOverlap = 0.1;
constexpr int64_t kMinRadius = 2;

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

CentreTargetBuilder::CentreTargetBuilder(int64_t samples, int64_t classes, const CentreGrid& grid)
    : grid_(grid),
      heatmap_(zeros({samples, classes, grid.rows, grid.columns}, {.format = MemoryFormat::ChannelsLast})) {}

void CentreTargetBuilder::ignore(int64_t sample) {
  ops::fill_(ops::select(heatmap_, 0, sample), -1.0);
}

bool CentreTargetBuilder::locate(double x, double y, int64_t& row, int64_t& column) const {
  column = static_cast<int64_t>(std::floor((x - grid_.x_min) / grid_.cell));
  row = static_cast<int64_t>(std::floor((y - grid_.y_min) / grid_.cell));
  return row >= 0 && row < grid_.rows && column >= 0 && column < grid_.columns;
}

void CentreTargetBuilder::add(int64_t sample, int64_t class_id, int64_t row, int64_t column, double width,
                              double height, std::initializer_list<double> values) {
  const double radius = gaussian_radius(width / grid_.cell, height / grid_.cell, kMinOverlap);
  draw(sample, class_id, row, column, std::max(kMinRadius, static_cast<int64_t>(radius)));
  cells_.push_back((sample * grid_.rows + row) * grid_.columns + column);
  for (const double value : values) values_.push_back(static_cast<float>(value));
}

CentreTargets CentreTargetBuilder::finish(int64_t channels) const {
  const auto count = static_cast<int64_t>(cells_.size());
  CentreTargets targets{heatmap_, empty({count}, {.dtype = DType::Int64}), empty({count, channels})};
  std::copy(cells_.begin(), cells_.end(), targets.cells.data<int64_t>());
  std::copy(values_.begin(), values_.end(), targets.values.data<float>());
  return targets;
}

void CentreTargetBuilder::draw(int64_t sample, int64_t class_id, int64_t row, int64_t column, int64_t radius) {
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

std::string key_of(const Batch& batch, int64_t sample) {
  return static_cast<size_t>(sample) < batch.keys.size() ? batch.keys[static_cast<size_t>(sample)]
                                                         : std::to_string(sample);
}

}  // namespace bevgrad
