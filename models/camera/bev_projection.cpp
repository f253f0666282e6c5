#include "models/camera/bev_projection.h"

#include <optional>

namespace bevgrad {
namespace {

struct Look {
  BevLook look;
  bool seen = false;
};

}  // namespace

BevSamplingTable project_points(const BevPoints& points, const std::vector<BevSamplingGroup>& groups,
                                const std::vector<Camera>& cameras) {
  const std::vector<PlacedCamera> placed = placed_cameras(groups, cameras);
  const BevGrid& grid = points.grid;
  BevSamplingTable table;
  table.heights = static_cast<int64_t>(points.heights.size());
  table.rows = grid.rows();
  table.columns = grid.columns();
  table.groups = groups;

  const int64_t cells = table.rows * table.columns, total = table.heights * cells;
  const auto count = static_cast<int64_t>(placed.size());
  std::vector<Look> looks(static_cast<size_t>(total * count));
#pragma omp parallel for schedule(static)
  for (int64_t p = 0; p < total; ++p) {
    const int64_t row = p % cells / table.columns, column = p % table.columns;
    const Vec3 point = {grid.x_min + (static_cast<double>(column) + 0.5) * grid.cell,
                        grid.y_min + (static_cast<double>(row) + 0.5) * grid.cell,
                        points.heights[static_cast<size_t>(p / cells)]};
    for (int64_t c = 0; c < count; ++c) {
      const PlacedCamera& camera = placed[static_cast<size_t>(c)];
      const std::optional<Pixel> pixel = camera.projector.project(point);
      if (!pixel) continue;
      looks[static_cast<size_t>(p * count + c)] = {
          {camera.group, camera.index, static_cast<float>((pixel->u + 0.5) / camera.stride_u - 0.5),
           static_cast<float>((pixel->v + 0.5) / camera.stride_v - 0.5)},
          true};
    }
  }
  table.offsets.reserve(static_cast<size_t>(total) + 1);
  table.offsets.push_back(0);
  for (int64_t p = 0; p < total; ++p) {
    for (int64_t c = 0; c < count; ++c) {
      const Look& look = looks[static_cast<size_t>(p * count + c)];
      if (look.seen) table.looks.push_back(look.look);
    }
    table.offsets.push_back(static_cast<int64_t>(table.looks.size()));
  }
  return table;
}

BevProjectionCache::BevProjectionCache(BevPoints points, size_t capacity)
    : RigCache(
          [points = std::move(points)](const Rig& rig) {
            return std::make_shared<const BevSampling>(project_points(points, rig.groups, rig.cameras));
          },
          capacity) {}

}  // namespace bevgrad
