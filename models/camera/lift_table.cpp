#include "models/camera/lift_table.h"

#include <cmath>
#include <optional>

namespace bevgrad {
namespace {

/// The cell of a point, or -1.
int32_t cell_of(const BevGrid& grid, int64_t rows, int64_t columns, const Vec3& point) {
  if (point.z < grid.z_min || point.z >= grid.z_max) return -1;
  const double column = std::floor((point.x - grid.x_min) / grid.cell),
               row = std::floor((point.y - grid.y_min) / grid.cell);
  if (column < 0 || row < 0 || column >= static_cast<double>(columns) || row >= static_cast<double>(rows)) return -1;
  return static_cast<int32_t>(static_cast<int64_t>(row) * columns + static_cast<int64_t>(column));
}

}  // namespace

int64_t DepthBins::bin_of(double depth) const {
  const double bin = std::floor((depth - start) / step);
  return bin >= 0 && bin < static_cast<double>(count) ? static_cast<int64_t>(bin) : -1;
}

LiftTable lift_table(const BevGrid& grid, const DepthBins& bins, const std::vector<BevSamplingGroup>& groups,
                     const std::vector<Camera>& cameras) {
  const std::vector<PlacedCamera> placed = placed_cameras(groups, cameras);
  LiftTable table{bins.count, grid.rows(), grid.columns(), groups, {}};
  for (size_t image = 0; image < placed.size(); ++image) {
    const PlacedCamera& camera = placed[image];
    const BevSamplingGroup& group = groups[static_cast<size_t>(camera.group)];
    std::vector<std::vector<LiftRun>> of_row(static_cast<size_t>(group.height));
#pragma omp parallel for schedule(static)
    for (int64_t v = 0; v < group.height; ++v) {
      std::vector<LiftRun>& runs = of_row[static_cast<size_t>(v)];
      for (int64_t u = 0; u < group.width; ++u) {
        const Pixel pixel = {(static_cast<double>(u) + 0.5) * camera.stride_u - 0.5,
                             (static_cast<double>(v) + 0.5) * camera.stride_v - 0.5};
        if (is_masked(camera.projector.camera().ego_mask, pixel)) continue;
        const std::optional<Ray> ray = camera.projector.unproject(pixel);
        if (!ray) continue;
        int32_t before = -1;
        for (int64_t bin = 0; bin < bins.count; ++bin) {
          const double depth = bins.centre(bin);
          const int32_t cell =
              cell_of(grid, table.rows, table.columns,
                      {ray->origin.x + depth * ray->direction.x, ray->origin.y + depth * ray->direction.y,
                       ray->origin.z + depth * ray->direction.z});
          if (cell >= 0 && cell == before) {
            runs.back().end = static_cast<int32_t>(bin + 1);
          } else if (cell >= 0) {
            runs.push_back({static_cast<int32_t>(image), static_cast<int32_t>(v * group.width + u), cell,
                            static_cast<int32_t>(bin), static_cast<int32_t>(bin + 1)});
          }
          before = cell;
        }
      }
    }
    for (const std::vector<LiftRun>& runs : of_row) table.runs.insert(table.runs.end(), runs.begin(), runs.end());
  }
  return table;
}

}  // namespace bevgrad
