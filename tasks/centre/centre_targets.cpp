#include "tasks/centre/centre_targets.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tensor/host_device.h"
#include "tensor/launch.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

constexpr double kMinOverlap = 0.1;
constexpr int64_t kMinRadius = 2;

// A peak's value so many rows and columns from its centre.
BEVGRAD_HD float gaussian(int64_t rows, int64_t columns, int64_t radius) {
  const double sigma = (2.0 * static_cast<double>(radius) + 1) / 6;
  const auto dr = static_cast<double>(rows), dc = static_cast<double>(columns);
  return static_cast<float>(std::exp(-(dr * dr + dc * dc) / (2 * sigma * sigma)));
}

BEVGRAD_HD bool reaches(int64_t distance, int64_t radius) {
  return distance <= radius && -distance <= radius;
}

// One element of the heat map on a GPU: the highest of the peaks of its sample and class that reach it.
struct DrawElement {
  float* heatmap;        // [N,rows,columns,classes] in memory
  const int64_t* begin;  // [N * classes + 1]: where the peaks of a sample's class begin
  const int64_t* peaks;  // row, column, radius of each
  const int64_t* ignored;
  int64_t rows, columns, classes;

  BEVGRAD_HD void operator()(int64_t i) const {
    const int64_t pixel = i / classes, line = pixel / columns, sample = line / rows;
    const int64_t column = pixel - line * columns, row = line - sample * rows;
    const int64_t group = sample * classes + (i - pixel * classes);
    float highest = ignored[sample] ? -1.0f : 0.0f;
    for (int64_t k = begin[group]; k < begin[group + 1]; ++k) {
      const int64_t dr = row - peaks[3 * k], dc = column - peaks[3 * k + 1], radius = peaks[3 * k + 2];
      if (!reaches(dr, radius) || !reaches(dc, radius)) continue;
      const float value = gaussian(dr, dc, radius);
      highest = value > highest ? value : highest;
    }
    heatmap[i] = highest;
  }
};

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
    : grid_(grid), classes_(classes), ignored_(static_cast<size_t>(samples), 0) {}

void CentreTargetBuilder::ignore(int64_t sample) {
  ignored_[static_cast<size_t>(sample)] = 1;
}

bool CentreTargetBuilder::locate(double x, double y, int64_t& row, int64_t& column) const {
  column = static_cast<int64_t>(std::floor((x - grid_.x_min) / grid_.cell));
  row = static_cast<int64_t>(std::floor((y - grid_.y_min) / grid_.cell));
  return row >= 0 && row < grid_.rows && column >= 0 && column < grid_.columns;
}

void CentreTargetBuilder::add(int64_t sample, int64_t class_id, int64_t row, int64_t column, double width,
                              double height, std::initializer_list<double> values) {
  const double radius = gaussian_radius(width / grid_.cell, height / grid_.cell, kMinOverlap);
  peaks_.push_back({sample, class_id, row, column, std::max(kMinRadius, static_cast<int64_t>(radius))});
  cells_.push_back((sample * grid_.rows + row) * grid_.columns + column);
  for (const double value : values) values_.push_back(static_cast<float>(value));
}

CentreTargets CentreTargetBuilder::finish(int64_t channels, Device device) const {
  const auto count = static_cast<int64_t>(cells_.size());
  CentreTargets targets{device.is_cpu() ? drawn() : drawn_on(device), empty({count}, {.dtype = DType::Int64}),
                        empty({count, channels})};
  std::copy(cells_.begin(), cells_.end(), targets.cells.data<int64_t>());
  std::copy(values_.begin(), values_.end(), targets.values.data<float>());
  return targets;
}

Tensor CentreTargetBuilder::drawn() const {
  const auto samples = static_cast<int64_t>(ignored_.size());
  const Tensor heatmap = zeros({samples, classes_, grid_.rows, grid_.columns}, {.format = MemoryFormat::ChannelsLast});
  for (int64_t n = 0; n < samples; ++n)
    if (ignored_[static_cast<size_t>(n)]) ops::fill_(ops::select(heatmap, 0, n), -1.0);
  for (const Peak& peak : peaks_) {
    float* base = heatmap.data<float>() + peak.sample * heatmap.stride(0) + peak.class_id * heatmap.stride(1);
    const int64_t last_row = std::min(grid_.rows - 1, peak.row + peak.radius);
    const int64_t last_column = std::min(grid_.columns - 1, peak.column + peak.radius);
    for (int64_t r = std::max<int64_t>(0, peak.row - peak.radius); r <= last_row; ++r) {
      for (int64_t c = std::max<int64_t>(0, peak.column - peak.radius); c <= last_column; ++c) {
        float& cell = base[r * heatmap.stride(2) + c * heatmap.stride(3)];
        cell = std::max(cell, gaussian(r - peak.row, c - peak.column, peak.radius));
      }
    }
  }
  return heatmap;
}

Tensor CentreTargetBuilder::drawn_on(Device device) const {
  const auto samples = static_cast<int64_t>(ignored_.size());
  std::vector<const Peak*> sorted;
  for (const Peak& peak : peaks_) sorted.push_back(&peak);
  const auto group_of = [&](const Peak* peak) { return peak->sample * classes_ + peak->class_id; };
  std::ranges::stable_sort(sorted, {}, group_of);
  // The table crosses as one tensor.
  std::vector<int64_t> numbers(static_cast<size_t>(samples * classes_ + 1), 0);
  for (const Peak* peak : sorted) ++numbers[static_cast<size_t>(group_of(peak)) + 1];
  std::partial_sum(numbers.begin(), numbers.end(), numbers.begin());
  for (const Peak* peak : sorted) numbers.insert(numbers.end(), {peak->row, peak->column, peak->radius});
  numbers.insert(numbers.end(), ignored_.begin(), ignored_.end());
  const Tensor host = empty({static_cast<int64_t>(numbers.size())}, {.dtype = DType::Int64});
  std::copy(numbers.begin(), numbers.end(), host.data<int64_t>());
  const Tensor table = ops::to(host, device);
  const Tensor heatmap =
      empty({samples, classes_, grid_.rows, grid_.columns}, {DType::Float32, MemoryFormat::ChannelsLast, device});
  const int64_t* begin = table.data<int64_t>();
  const int64_t* peaks = begin + samples * classes_ + 1;
  launch(device, heatmap.numel(),
         DrawElement{heatmap.data<float>(), begin, peaks, peaks + 3 * static_cast<int64_t>(sorted.size()), grid_.rows,
                     grid_.columns, classes_});
  return heatmap;
}

std::string key_of(const Batch& batch, int64_t sample) {
  return static_cast<size_t>(sample) < batch.keys.size() ? batch.keys[static_cast<size_t>(sample)]
                                                         : std::to_string(sample);
}

}  // namespace bevgrad
