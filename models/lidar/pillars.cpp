#include "models/lidar/pillars.h"

#include <cmath>

#include "tensor/ops.h"

namespace bevgrad {
namespace {

// One sample's pillars before they are joined with the others'.
struct SamplePillars {
  std::vector<int64_t> cells;   // row * columns + column
  std::vector<int32_t> counts;  // points kept
  std::vector<int32_t> pillar;  // of each point; -1: left out
  int64_t kept = 0;
  int64_t dropped = 0;
};

// In float32, as mmcv's hard_voxelize: the same points fall into the same cells.
struct CellOf {
  float low[3], size[3];
  int64_t columns, rows;

  CellOf(const BevGrid& grid)
      : low{static_cast<float>(grid.x_min), static_cast<float>(grid.y_min), static_cast<float>(grid.z_min)},
        size{static_cast<float>(grid.pillar()), static_cast<float>(grid.pillar()),
             static_cast<float>(grid.z_max - grid.z_min)},
        columns(grid.columns() * 4),
        rows(grid.rows() * 4) {}

  // -1 outside the range; comparisons are false for NaN.
  int64_t operator()(const float* p) const {
    const float x = std::floor((p[0] - low[0]) / size[0]);
    const float y = std::floor((p[1] - low[1]) / size[1]);
    const float z = std::floor((p[2] - low[2]) / size[2]);
    if (!(x >= 0 && x < static_cast<float>(columns) && y >= 0 && y < static_cast<float>(rows) && z == 0)) return -1;
    if (!std::isfinite(p[3])) return -1;
    return static_cast<int64_t>(y) * columns + static_cast<int64_t>(x);
  }
};

SamplePillars assign(const Tensor& points, const CellOf& cell_of, const LidarOptions& options) {
  SamplePillars result;
  const int64_t count = points.size(0);
  const float* p = points.data<const float>();
  std::vector<int32_t> pillar_at(static_cast<size_t>(cell_of.rows * cell_of.columns), -1);
  result.pillar.assign(static_cast<size_t>(count), -1);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t cell = cell_of(p + i * 4);
    if (cell < 0) continue;
    int32_t& pillar = pillar_at[static_cast<size_t>(cell)];
    if (pillar < 0) {
      if (!options.dynamic && static_cast<int64_t>(result.cells.size()) == options.max_pillars) {
        ++result.dropped;
        continue;
      }
      pillar = static_cast<int32_t>(result.cells.size());
      result.cells.push_back(cell);
      result.counts.push_back(0);
    }
    int32_t& taken = result.counts[static_cast<size_t>(pillar)];
    if (!options.dynamic && taken == options.max_points) {
      ++result.dropped;
      continue;
    }
    ++taken;
    ++result.kept;
    result.pillar[static_cast<size_t>(i)] = pillar;
  }
  return result;
}

// The ten values of each point of one pillar. `rows` holds its points' numbers.
void write_features(const float* points, const int32_t* rows, int64_t count, double centre_x, double centre_y,
                    double centre_z, bool legacy, float* out) {
  double sum[3] = {0, 0, 0};
  for (int64_t i = 0; i < count; ++i)
    for (int k = 0; k < 3; ++k) sum[k] += points[rows[i] * 4 + k];
  const double centre[3] = {centre_x, centre_y, centre_z};
  for (int64_t i = 0; i < count; ++i, out += Pillars::kFeatures) {
    const float* p = points + rows[i] * 4;
    for (int k = 0; k < 3; ++k) {
      const auto offset = static_cast<float>(p[k] - centre[k]);
      out[k] = legacy ? offset : p[k];
      out[4 + k] = static_cast<float>(p[k] - sum[k] / static_cast<double>(count));
      out[7 + k] = offset;
    }
    out[3] = p[3];
  }
}

}  // namespace

Pillars make_pillars(const std::vector<Tensor>& points, const BevGrid& grid, const LidarOptions& options) {
  const CellOf cell_of(grid);
  const auto samples = static_cast<int64_t>(points.size());
  std::vector<Tensor> dense(points.size());
  for (size_t n = 0; n < points.size(); ++n) {
    check(points[n].defined() && points[n].dim() == 2 && points[n].size(1) == 4 && points[n].dtype() == DType::Float32,
          "lidar_vfe: the points of sample {} are {}, expected float32 [P,4]", n,
          points[n].defined() ? describe(points[n]) : "undefined");
    check(points[n].size(0) <= 1 << 27, "lidar_vfe: sample {} has {} points, at most {} are taken", n,
          points[n].size(0), 1 << 27);
    dense[n] = ops::contiguous(points[n]);
  }
  std::vector<SamplePillars> parts(points.size());
#pragma omp parallel for schedule(dynamic, 1)
  for (int64_t n = 0; n < samples; ++n)
    parts[static_cast<size_t>(n)] = assign(dense[static_cast<size_t>(n)], cell_of, options);

  Pillars result;
  std::vector<int64_t> first_pillar, first_point;
  int64_t pillars = 0, kept = 0;
  for (const SamplePillars& part : parts) {
    first_pillar.push_back(pillars);
    first_point.push_back(kept);
    pillars += static_cast<int64_t>(part.cells.size());
    kept += part.kept;
    result.dropped += part.dropped;
  }
  result.features = empty({kept, Pillars::kFeatures});
  result.offsets = empty({pillars + 1}, {DType::Int64});
  result.cells = empty({pillars}, {DType::Int64});
  float* features = result.features.data<float>();
  auto* offsets = result.offsets.data<int64_t>();
  auto* cells = result.cells.data<int64_t>();
  offsets[pillars] = kept;

#pragma omp parallel for schedule(dynamic, 1)
  for (int64_t n = 0; n < samples; ++n) {
    const SamplePillars& part = parts[static_cast<size_t>(n)];
    const float* p = dense[static_cast<size_t>(n)].data<const float>();
    // Where each pillar's points begin, then its points' numbers in input order.
    std::vector<int64_t> begin(part.cells.size() + 1, 0);
    for (size_t i = 0; i < part.cells.size(); ++i) begin[i + 1] = begin[i] + part.counts[i];
    std::vector<int64_t> next(begin.begin(), begin.end() - 1);
    std::vector<int32_t> rows(static_cast<size_t>(part.kept));
    for (size_t i = 0; i < part.pillar.size(); ++i)
      if (part.pillar[i] >= 0)
        rows[static_cast<size_t>(next[static_cast<size_t>(part.pillar[i])]++)] = static_cast<int32_t>(i);
    const int64_t pillar0 = first_pillar[static_cast<size_t>(n)], point0 = first_point[static_cast<size_t>(n)];
    for (size_t i = 0; i < part.cells.size(); ++i) {
      const int64_t row = part.cells[i] / cell_of.columns, column = part.cells[i] % cell_of.columns;
      offsets[pillar0 + static_cast<int64_t>(i)] = point0 + begin[i];
      cells[pillar0 + static_cast<int64_t>(i)] = (n * cell_of.rows + row) * cell_of.columns + column;
      write_features(p, rows.data() + begin[i], part.counts[i],
                     grid.x_min + (static_cast<double>(column) + 0.5) * grid.pillar(),
                     grid.y_min + (static_cast<double>(row) + 0.5) * grid.pillar(), (grid.z_min + grid.z_max) / 2,
                     options.legacy, features + (point0 + begin[i]) * Pillars::kFeatures);
    }
  }
  return result;
}

}  // namespace bevgrad
