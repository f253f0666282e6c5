#include "scene/internal/voxel_labels.h"

#include <algorithm>
#include <cmath>

#include "data/voxel_walk.h"
#include "geometry/rotated_box.h"
#include "internal/raster.h"
#include "tensor/ops.h"

namespace bevgrad::scene {

namespace {

/// The class of what stands for good.
const char* name_of(Material material) {
  switch (material) {
    case Material::Wall:
      return "Wall";
    case Material::Curb:
      return "Curb";
    case Material::Foliage:
    case Material::Trunk:
      return "vegetation";
    default:
      return "building";
  }
}

constexpr double kLeastShare = 0.01;

struct Span {
  int64_t first, last;
};

/// Cells of an axis that low..high reaches into.
Span cells_between(double low, double high, double origin, double cell, int64_t count) {
  const auto first = static_cast<int64_t>(std::floor((low - origin) / cell)),
             last = static_cast<int64_t>(std::floor((high - origin) / cell));
  return {std::clamp<int64_t>(first, 0, count), std::clamp<int64_t>(last, -1, count - 1)};
}

/// How much of a cell low..high covers, as a share of it.
double covered(double low, double high, double begin, double cell) {
  return std::clamp((std::min(high, begin + cell) - std::max(low, begin)) / cell, 0.0, 1.0);
}

}  // namespace

VoxelLabels::VoxelLabels(const Layout& layout, const LabelSchema& schema, const std::vector<Camera>& cameras)
    : grid_(schema.voxels), classes_(schema.voxel_classes), ceiling_(layout.indoor ? kCeiling : 0) {
  for (const RoadElement& element : layout.elements)
    if (element.type == RoadType::Freespace) freespace_.push_back(element.points);
  for (const Camera& camera : cameras) sights_.push_back(sights_of(camera));
}

std::vector<VoxelLabels::Sight> VoxelLabels::sights_of(const Camera& camera) const {
  std::vector<Sight> sights;
  const CameraProjector projector(camera);
  const Vec3 o = camera.sensor2ego.translation();
  const auto centre = [&](int64_t i, double low) { return low + (static_cast<double>(i) + 0.5) * grid_.cell; };
  for (int64_t level = 0; level < grid_.levels; ++level)
    for (int64_t row = 0; row < grid_.rows; ++row)
      for (int64_t column = 0; column < grid_.columns; ++column) {
        const Vec3 p = {centre(column, grid_.x_min), centre(row, grid_.y_min), centre(level, grid_.z_min)};
        const Vec3 d = p - o;
        double enter = 0;
        for (const double way : {d.x, d.y, d.z})
          if (std::abs(way) > grid_.cell / 2) enter = std::max(enter, 1 - grid_.cell / 2 / std::abs(way));
        // The ground and the ceiling stay where they are.
        constexpr double kTouch = 1e-6;
        if (d.z < 0 && o.z / -d.z < enter + kTouch) continue;
        if (ceiling_ > 0 && d.z > 0 && (ceiling_ - o.z) / d.z < enter + kTouch) continue;
        if (!projector.project(p)) continue;
        sights.push_back({static_cast<uint32_t>(grid_.index(level, row, column)),
                          static_cast<int16_t>(SensorView::bin(d.x, d.y)),
                          {static_cast<float>(d.x), static_cast<float>(d.y), static_cast<float>(d.z)},
                          static_cast<float>(enter)});
      }
  return sights;
}

uint8_t VoxelLabels::label_named(std::string_view name) const {
  const auto found = std::ranges::find(classes_, name);
  return found == classes_.end() ? kIgnoreLabel : static_cast<uint8_t>(found - classes_.begin());
}

uint8_t VoxelLabels::label_of(const Surroundings& world, const Drive& drive, size_t solid) const {
  const int actor = world.actors[solid];
  return label_named(actor >= 0 ? name(drive.actors[static_cast<size_t>(actor)].type)
                                : name_of(world.solids[solid].material));
}

void VoxelLabels::fill_ground(const DriveFrame& frame, uint8_t* level) const {
  std::fill_n(level, grid_.rows * grid_.columns, label_named("ground"));
  const GroundWarp to_ego = ground_warp(Pose(), frame.true_pose);
  for (std::vector<Vec2> polygon : freespace_) {
    for (Vec2& p : polygon) p = to_ego.apply(p);
    fill_polygon(polygon, grid_.ground(), level, label_named("road"));
  }
}

Tensor VoxelLabels::labels(const Surroundings& world, const Drive& drive, const DriveFrame& frame) const {
  const auto free = static_cast<uint8_t>(classes_.size());
  const Tensor result = full({grid_.levels, grid_.rows, grid_.columns}, free, {.dtype = DType::UInt8});
  uint8_t* voxels = result.data<uint8_t>();
  const int64_t per_level = grid_.rows * grid_.columns;
  const auto fill_levels = [&](int64_t first, int64_t last, uint8_t label) {
    first = std::clamp<int64_t>(first, 0, grid_.levels);
    last = std::clamp<int64_t>(last, first, grid_.levels);
    std::fill(voxels + first * per_level, voxels + last * per_level, label);
  };
  const int64_t ground = grid_.level_of(0);
  fill_levels(0, ground, kIgnoreLabel);
  if (ground >= 0 && ground < grid_.levels) fill_ground(frame, voxels + ground * per_level);
  if (ceiling_ > 0) {
    const int64_t top = grid_.level_of(ceiling_);
    fill_levels(top, top + 1, label_named("building"));
    fill_levels(top + 1, grid_.levels, kIgnoreLabel);
  }

  std::vector<float> most(static_cast<size_t>(grid_.count()), static_cast<float>(kLeastShare));
  for (size_t s = 0; s < world.solids.size(); ++s) {
    const Solid& solid = world.solids[s];
    const bool is_ego = s + 1 == world.solids.size();
    const uint8_t label = is_ego ? kIgnoreLabel : label_of(world, drive, s);
    double low_x = HUGE_VAL, low_y = HUGE_VAL, high_x = -HUGE_VAL, high_y = -HUGE_VAL;
    for (const Vec2 corner : corners(solid.footprint)) {
      low_x = std::min(low_x, corner.x);
      high_x = std::max(high_x, corner.x);
      low_y = std::min(low_y, corner.y);
      high_y = std::max(high_y, corner.y);
    }
    const Span rows = cells_between(low_y, high_y, grid_.y_min, grid_.cell, grid_.rows),
               columns = cells_between(low_x, high_x, grid_.x_min, grid_.cell, grid_.columns),
               levels = cells_between(solid.z0, solid.z1, grid_.z_min, grid_.cell, grid_.levels);
    for (int64_t row = rows.first; row <= rows.last; ++row)
      for (int64_t column = columns.first; column <= columns.last; ++column) {
        const RotatedBox cell = {grid_.x_min + (static_cast<double>(column) + 0.5) * grid_.cell,
                                 grid_.y_min + (static_cast<double>(row) + 0.5) * grid_.cell, grid_.cell, grid_.cell,
                                 0};
        const double area = intersection_area(solid.footprint, cell) / (grid_.cell * grid_.cell);
        if (area < kLeastShare) continue;
        for (int64_t level = levels.first; level <= levels.last; ++level) {
          const double share =
              area * covered(solid.z0, solid.z1, grid_.z_min + static_cast<double>(level) * grid_.cell, grid_.cell);
          const auto voxel = static_cast<size_t>(grid_.index(level, row, column));
          if (static_cast<float>(share) < most[voxel]) continue;
          most[voxel] = static_cast<float>(share);
          voxels[voxel] = label;
        }
      }
  }
  return result;
}

void VoxelLabels::mark_seen(size_t camera, const SensorView& view, Tensor& seen) const {
  uint8_t* bits = seen.data<uint8_t>();
  for (const Sight& sight : sights_[camera])
    if (!(bits[sight.index] & kVoxelSeenByCamera) && view.cast(sight.offset, sight.bin, sight.enter).box < 0)
      bits[sight.index] |= kVoxelSeenByCamera;
}

void VoxelLabels::mark_seen(const std::vector<float>& points, Vec3 lidar, Tensor& seen) const {
  uint8_t* bits = seen.data<uint8_t>();
  for (size_t i = 0; i + 3 < points.size(); i += 4)
    walk_voxels(grid_, lidar, {points[i], points[i + 1], points[i + 2]}, [&](int64_t voxel) {
      bits[voxel] |= kVoxelSeenByLidar;
      return true;
    });
}

}  // namespace bevgrad::scene
