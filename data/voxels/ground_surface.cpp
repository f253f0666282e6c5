#include "data/voxels/ground_surface.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace bevgrad {

namespace {

constexpr double kReach = 4, kBinHeight = 0.1;  // metres
constexpr int64_t kHeights = 80;
constexpr int kFewest = 2;       // points of a height that is not a reflection, where a column has more than so many
constexpr double kKerb = 0.25;   // from one column to the next
constexpr double kDrift = 0.02;  // more for every column in between that has no ground
constexpr double kWidestStep = 0.6;
constexpr double kBelowVehicle = 3;  // metres around the rear axle where the ground is 0

}  // namespace

GroundSurface::GroundSurface(const LabelGrid& grid)
    : grid_(grid),
      rows_(grid.rows()),
      columns_(grid.columns()),
      counts_(static_cast<size_t>(rows_ * columns_ * kHeights)) {}

void GroundSurface::add(const Vec3& point) {
  const double column = std::floor((point.x - grid_.x_min) / grid_.cell),
               row = std::floor((point.y - grid_.y_min) / grid_.cell),
               bin = std::floor((point.z + kReach) / kBinHeight);
  if (!(column >= 0 && row >= 0 && column < static_cast<double>(columns_) && row < static_cast<double>(rows_) &&
        bin >= 0 && bin < static_cast<double>(kHeights)))
    return;
  uint16_t& count = counts_[static_cast<size_t>(
      (static_cast<int64_t>(row) * columns_ + static_cast<int64_t>(column)) * kHeights + static_cast<int64_t>(bin))];
  if (count < std::numeric_limits<uint16_t>::max()) ++count;
}

std::vector<float> GroundSurface::heights() const {
  const auto cells = static_cast<size_t>(rows_ * columns_);
  // NaN where a column has no points.
  std::vector<float> lowest(cells, std::numeric_limits<float>::quiet_NaN());
  for (size_t cell = 0; cell < cells; ++cell) {
    const uint16_t* bins = counts_.data() + cell * kHeights;
    int64_t all = 0;
    for (int64_t bin = 0; bin < kHeights; ++bin) all += bins[bin];
    for (int64_t bin = 0; bin < kHeights; ++bin) {
      if (bins[bin] == 0) continue;
      const int around = bins[bin] + (bin + 1 < kHeights ? bins[bin + 1] : 0);
      if (around < kFewest && all > kFewest) continue;
      lowest[cell] = static_cast<float>((static_cast<double>(bin) + 0.5) * kBinHeight - kReach);
      break;
    }
  }

  struct Step {
    int64_t row, column;
    int since;  // columns without ground
  };
  std::vector<float> heights(cells, 0);
  std::vector<uint8_t> reached(cells);
  std::vector<Step> queue;
  for (int64_t row = 0; row < rows_; ++row)
    for (int64_t column = 0; column < columns_; ++column) {
      const double x = grid_.x_min + (static_cast<double>(column) + 0.5) * grid_.cell,
                   y = grid_.y_min + (static_cast<double>(row) + 0.5) * grid_.cell;
      if (std::hypot(x, y) > kBelowVehicle) continue;
      reached[static_cast<size_t>(row * columns_ + column)] = 1;
      queue.push_back({row, column, 0});
    }
  for (size_t next = 0; next < queue.size(); ++next) {
    const Step step = queue[next];
    const float here = heights[static_cast<size_t>(step.row * columns_ + step.column)];
    for (const auto& [dr, dc] : {std::pair{0, 1}, {1, 0}, {0, -1}, {-1, 0}}) {
      const int64_t row = step.row + dr, column = step.column + dc;
      if (row < 0 || column < 0 || row >= rows_ || column >= columns_) continue;
      const auto cell = static_cast<size_t>(row * columns_ + column);
      if (reached[cell]) continue;
      reached[cell] = 1;
      const double most = std::min(kWidestStep, kKerb + kDrift * step.since);
      const bool is_ground = std::abs(lowest[cell] - here) <= most;
      heights[cell] = is_ground ? lowest[cell] : here;
      queue.push_back({row, column, is_ground ? 0 : step.since + 1});
    }
  }
  return heights;
}

}  // namespace bevgrad
