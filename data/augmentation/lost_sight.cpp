#include "data/augmentation/lost_sight.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "data/maps/ground_sight.h"
#include "data/voxel_walk.h"
#include "tensor/ops.h"

namespace bevgrad {

namespace {

using Cameras = std::span<const CameraBeforeAndAfter>;

void forget_cells(Cameras cameras, bool lidar_failed, const Tensor& points, const LabelGrid& grid, Tensor& visibility) {
  std::vector<std::optional<GroundSight>> now(cameras.size());
  const auto sight = [&](size_t i) -> const GroundSight& {
    if (!now[i]) now[i].emplace(cameras[i].after, points);
    return *now[i];
  };
  std::vector<CameraProjector> before, after;
  for (const CameraBeforeAndAfter& camera : cameras) {
    before.emplace_back(camera.before);
    after.emplace_back(camera.after);
  }
  const int64_t rows = grid.rows(), columns = grid.columns(), cells = rows * columns;
  visibility = ops::clone(visibility);
  uint8_t* by_camera = visibility.data<uint8_t>() + kSeenByCameraNow * cells;
  uint8_t* by_lidar = visibility.data<uint8_t>() + kSeenByLidarNow * cells;
  uint8_t* window = visibility.data<uint8_t>() + kSeenInWindow * cells;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c) {
      const int64_t cell = r * columns + c;
      const bool was_seen = by_camera[cell] || by_lidar[cell];
      if (lidar_failed) by_lidar[cell] = 0;
      if (by_camera[cell]) {
        const Vec2 at{grid.x_min + (static_cast<double>(c) + 0.5) * grid.cell,
                      grid.y_min + (static_cast<double>(r) + 0.5) * grid.cell};
        const Vec3 ground{at.x, at.y, 0};
        bool is_lost = false;
        for (size_t i = 0; i < cameras.size() && !is_lost; ++i)
          is_lost = cameras[i].before != cameras[i].after && before[i].project(ground) && !after[i].project(ground);
        for (size_t i = 0; i < cameras.size() && is_lost; ++i)
          is_lost = !(after[i].project(ground) && sight(i).sees(at));
        if (is_lost) by_camera[cell] = 0;
      }
      if (was_seen && !by_camera[cell] && !by_lidar[cell]) window[cell] = 0;
    }
}

void forget_voxels(Cameras cameras, bool lidar_failed, const LabelSchema& schema, Labels& labels) {
  const VoxelGrid& grid = schema.voxels;
  const auto free = static_cast<uint8_t>(schema.voxel_classes.size());
  std::vector<CameraProjector> before, after;
  for (const CameraBeforeAndAfter& camera : cameras) {
    before.emplace_back(camera.before);
    after.emplace_back(camera.after);
  }
  labels.voxels_seen = ops::clone(labels.voxels_seen);
  uint8_t* seen = labels.voxels_seen.data<uint8_t>();
  const uint8_t* voxels = labels.voxels.data<const uint8_t>();
  int64_t voxel = 0;
  for (int64_t level = 0; level < grid.levels; ++level)
    for (int64_t row = 0; row < grid.rows; ++row)
      for (int64_t column = 0; column < grid.columns; ++column, ++voxel) {
        if (lidar_failed) seen[voxel] &= static_cast<uint8_t>(~kVoxelSeenByLidar);
        if (!(seen[voxel] & kVoxelSeenByCamera)) continue;
        const Vec3 centre = grid.centre(level, row, column);
        bool is_lost = false;
        for (size_t i = 0; i < cameras.size() && !is_lost; ++i)
          is_lost = cameras[i].before != cameras[i].after && before[i].project(centre) && !after[i].project(centre);
        for (size_t i = 0; i < cameras.size() && is_lost; ++i)
          is_lost = !(after[i].project(centre) &&
                      is_in_sight(grid, voxels, free, cameras[i].after.sensor2ego.translation(), centre, voxel));
        if (is_lost) seen[voxel] &= static_cast<uint8_t>(~kVoxelSeenByCamera);
      }
}

}  // namespace

void lose_sight(Cameras cameras, bool lidar_failed, const Tensor& points, const LabelSchema& schema, Labels& labels) {
  const bool any_changed = std::any_of(
      cameras.begin(), cameras.end(), [](const CameraBeforeAndAfter& camera) { return camera.before != camera.after; });
  if (!any_changed && !lidar_failed) return;
  if (labels.visibility.defined()) forget_cells(cameras, lidar_failed, points, schema.grid, labels.visibility);
  if (labels.voxels.defined() && labels.voxels_seen.defined()) forget_voxels(cameras, lidar_failed, schema, labels);
}

}  // namespace bevgrad
