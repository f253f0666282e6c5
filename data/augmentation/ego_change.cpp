#include "data/augmentation/ego_change.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "data/label_schema.h"
#include "data/sample.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

/// diag(1,-1,1) * R * diag(1,-1,1), and the translation mirrored and scaled: R of a world in the changed world.
Pose conjugated(const Pose& pose, bool mirror, double scale) {
  Pose result = pose;
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j)
      if (mirror && (i == 1) != (j == 1)) result.at(i, j) = -result.at(i, j);
  for (int i = 0; i < 3; ++i) result.at(i, 3) = pose.at(i, 3) * (mirror && i == 1 ? -scale : scale);
  return result;
}

Pose turn_and_shift(const EgoChange& change) {
  return Pose::from_yaw(change.shift.x, change.shift.y, 0, change.yaw);
}

/// Left and right exchanged, with their first letter large or small.
std::string mirrored_name(const std::string& name) {
  static constexpr std::pair<std::string_view, std::string_view> kExchanged[] = {
      {"Left", "Right"}, {"Right", "Left"}, {"left", "right"}, {"right", "left"}};
  std::string result;
  for (size_t i = 0; i < name.size();) {
    const auto found = std::ranges::find_if(
        kExchanged, [&](const auto& pair) { return name.compare(i, pair.first.size(), pair.first) == 0; });
    if (found == std::end(kExchanged)) {
      result += name[i++];
    } else {
      result += found->second;
      i += found->first.size();
    }
  }
  return result;
}

/// Per class its number in the changed world.
std::vector<int> class_numbers(const std::vector<std::string>& names, bool mirror) {
  std::vector<int> numbers(names.size());
  for (size_t i = 0; i < names.size(); ++i) {
    numbers[i] = static_cast<int>(i);
    if (!mirror) continue;
    const std::string other = mirrored_name(names[i]);
    for (size_t k = 0; k < names.size(); ++k)
      if (names[k] == other) numbers[i] = static_cast<int>(k);
  }
  return numbers;
}

/// Per kind and value its number in the changed world.
std::vector<std::vector<int>> attribute_numbers(const std::vector<AttributeKind>& kinds, bool mirror) {
  std::vector<std::vector<int>> numbers;
  for (const AttributeKind& kind : kinds) numbers.push_back(class_numbers(kind.values, mirror));
  return numbers;
}

void change_attributes(std::vector<int>& attributes, const std::vector<std::vector<int>>& numbers) {
  for (size_t k = 0; k < attributes.size(); ++k)
    if (attributes[k] >= 0) attributes[k] = numbers[k][static_cast<size_t>(attributes[k])];
}

/// Layer c goes to layer numbers[c]; every cell takes the value of the cell that its centre comes from, or `outside`.
Tensor changed_raster(const Tensor& raster, const std::vector<int>& numbers, const GroundWarp& back,
                      const LabelGrid& grid, uint8_t outside) {
  const int64_t layers = raster.size(0), rows = raster.size(1), columns = raster.size(2), cells = rows * columns;
  Tensor result = empty(raster.sizes(), {.dtype = DType::UInt8});
  std::vector<int64_t> sources(static_cast<size_t>(cells), -1);
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t column = 0; column < columns; ++column) {
      const Vec2 from = back.apply({grid.x_min + (static_cast<double>(column) + 0.5) * grid.cell,
                                    grid.y_min + (static_cast<double>(row) + 0.5) * grid.cell});
      const double x = std::floor((from.x - grid.x_min) / grid.cell), y = std::floor((from.y - grid.y_min) / grid.cell);
      if (x >= 0 && y >= 0 && x < static_cast<double>(columns) && y < static_cast<double>(rows))
        sources[static_cast<size_t>(row * columns + column)] =
            static_cast<int64_t>(y) * columns + static_cast<int64_t>(x);
    }
  for (int64_t layer = 0; layer < layers; ++layer) {
    const uint8_t* in = raster.data<const uint8_t>() + layer * cells;
    uint8_t* out = result.data<uint8_t>() + numbers[static_cast<size_t>(layer)] * cells;
    for (int64_t i = 0; i < cells; ++i) {
      const int64_t source = sources[static_cast<size_t>(i)];
      out[i] = source < 0 ? outside : in[source];
    }
  }
  return result;
}

/// The voxels of the changed world, in which heights are scaled too.
Tensor changed_voxels(const Tensor& voxels, const EgoChange& change, const VoxelGrid& grid, uint8_t outside) {
  std::vector<int> same(static_cast<size_t>(grid.levels));
  for (size_t i = 0; i < same.size(); ++i) same[i] = static_cast<int>(i);
  const Tensor moved = changed_raster(voxels, same, change.inverse(), grid.ground(), outside);
  if (change.scale == 1) return moved;
  Tensor scaled = full(voxels.sizes(), outside, {.dtype = DType::UInt8});
  for (int64_t level = 0; level < grid.levels; ++level) {
    const int64_t from = grid.level_of((grid.z_min + (static_cast<double>(level) + 0.5) * grid.cell) / change.scale);
    if (from >= 0 && from < grid.levels) ops::copy_(ops::select(scaled, 0, level), ops::select(moved, 0, from));
  }
  return scaled;
}

void change_shapes(std::vector<LabelShape>& shapes, const EgoChange& change, const std::vector<int>& numbers) {
  for (LabelShape& shape : shapes) {
    shape.class_id = numbers[static_cast<size_t>(shape.class_id)];
    shape.width *= change.scale;
    for (Vec2& point : shape.points) point = change.apply(point);
  }
}

void change_points(Tensor& points, const EgoChange& change) {
  if (!points.defined()) return;
  points = ops::clone(points);
  float* p = points.data<float>();
  for (int64_t i = 0; i < points.size(0); ++i, p += 4) {
    const Vec3 moved = change.apply(Vec3{p[0], p[1], p[2]});
    p[0] = static_cast<float>(moved.x);
    p[1] = static_cast<float>(moved.y);
    p[2] = static_cast<float>(moved.z);
  }
}

double changed_heading(double angle, const EgoChange& change) {
  return wrap_angle((change.mirror ? -angle : angle) + change.yaw);
}

void change_instance(Instance& instance, const EgoChange& change, const std::vector<int>& numbers) {
  const Vec2 centre = change.apply(Vec2{instance.x, instance.y});
  instance = {centre.x,
              centre.y,
              instance.w * change.scale,
              instance.h * change.scale,
              changed_heading(instance.angle, change),
              numbers[static_cast<size_t>(instance.class_id)]};
}

void change_box(Box3d& box, const EgoChange& change, const std::vector<int>& numbers) {
  const Vec3 centre = change.apply(Vec3{box.x, box.y, box.z});
  const Vec2 velocity = change.apply(Vec2{box.vx, box.vy}) - change.shift;
  box.x = centre.x;
  box.y = centre.y;
  box.z = centre.z;
  box.l *= change.scale;
  box.w *= change.scale;
  box.h *= change.scale;
  box.yaw = changed_heading(box.yaw, change);
  box.vx = velocity.x;
  box.vy = velocity.y;
  box.class_id = numbers[static_cast<size_t>(box.class_id)];
}

}  // namespace

Vec2 EgoChange::apply(Vec2 p) const {
  const Vec2 q = {p.x * scale, (mirror ? -p.y : p.y) * scale};
  const double c = std::cos(yaw), s = std::sin(yaw);
  return Vec2{c * q.x - s * q.y, s * q.x + c * q.y} + shift;
}

Vec3 EgoChange::apply(Vec3 p) const {
  const Vec2 ground = apply(Vec2{p.x, p.y});
  return {ground.x, ground.y, p.z * scale};
}

GroundWarp EgoChange::inverse() const {
  const double c = std::cos(yaw) / scale, s = std::sin(yaw) / scale, side = mirror ? -1 : 1;
  GroundWarp warp{{c, s, 0, -side * s, side * c, 0}};
  const Vec2 back = warp.apply(shift);
  warp.m[2] = -back.x;
  warp.m[5] = -back.y;
  return warp;
}

Pose EgoChange::apply_to_pose(const Pose& ego2world) const {
  return conjugated(ego2world, mirror, scale) * turn_and_shift(*this).inverse();
}

Pose EgoChange::apply_to_sensor(const Pose& sensor2ego) const {
  Pose changed = sensor2ego;
  for (int i = 0; i < 3; ++i) {
    // Mirrored twice, in the world across y and in the sensor's frame across x, it is a rotation again.
    if (mirror && i == 1)
      for (int j = 0; j < 3; ++j) changed.at(i, j) = -changed.at(i, j);
    if (mirror) changed.at(i, 0) = -changed.at(i, 0);
    changed.at(i, 3) = sensor2ego.at(i, 3) * (mirror && i == 1 ? -scale : scale);
  }
  return turn_and_shift(*this) * changed;
}

void change_ego(Sample& sample, const EgoChange& change, const LabelSchema& labels) {
  if (change.is_identity()) return;
  sample.ego_pose = change.apply_to_pose(sample.ego_pose);
  sample.true_pose = change.apply_to_pose(sample.true_pose);
  change_points(sample.points, change);
  if (sample.lidar) sample.lidar = change.apply(*sample.lidar);
  Labels& known = sample.labels;
  const std::vector<int> lane = class_numbers(labels.lane_classes, change.mirror),
                         road = class_numbers(labels.road_classes, change.mirror),
                         instance = class_numbers(labels.instance_classes, change.mirror),
                         dynamic = class_numbers(labels.dynamic_classes, change.mirror);
  const GroundWarp back = change.inverse();
  if (known.lane.defined()) known.lane = changed_raster(known.lane, lane, back, labels.grid, kIgnoreLabel);
  if (known.road.defined()) known.road = changed_raster(known.road, road, back, labels.grid, kIgnoreLabel);
  if (known.visibility.defined()) known.visibility = changed_raster(known.visibility, {0, 1, 2}, back, labels.grid, 0);
  if (known.voxels.defined()) known.voxels = changed_voxels(known.voxels, change, labels.voxels, kIgnoreLabel);
  if (known.voxels_seen.defined()) known.voxels_seen = changed_voxels(known.voxels_seen, change, labels.voxels, 0);
  change_shapes(known.lane_shapes, change, lane);
  change_shapes(known.road_shapes, change, road);
  for (Instance& one : known.instances) change_instance(one, change, instance);
  for (Box3d& box : known.boxes) change_box(box, change, dynamic);
  const auto of_boxes = attribute_numbers(labels.box_attributes, change.mirror),
             of_lanes = attribute_numbers(labels.lane_attributes, change.mirror);
  for (Box3d& box : known.boxes) change_attributes(box.attributes, of_boxes);
  for (LabelShape& shape : known.lane_shapes) change_attributes(shape.attributes, of_lanes);
}

}  // namespace bevgrad
