#include "data/label_schema.h"

#include <cmath>
#include <set>
#include <tuple>

#include "base/error.h"

namespace bevgrad {

namespace {

constexpr int64_t kMostVoxelRows = 4096, kMostVoxels = int64_t{1} << 26;

int64_t cells(double low, double high, double cell) {
  return static_cast<int64_t>(std::llround((high - low) / cell));
}

void check_usage(bool condition, const std::string& message) {
  if (!condition) throw UsageError(message);
}

void validate_classes(const char* field, const std::vector<std::string>& classes) {
  std::set<std::string> seen;
  for (const std::string& name : classes) {
    check_usage(!name.empty(), fmt::format("{}: a class has no name", field));
    check_usage(seen.insert(name).second, fmt::format("{}: class '{}' is named twice", field, name));
  }
}

void validate_attributes(const char* field, const std::vector<AttributeKind>& kinds) {
  std::vector<std::string> names;
  for (const AttributeKind& kind : kinds) {
    names.push_back(kind.name);
    validate_classes(fmt::format("{} '{}'", field, kind.name).c_str(), kind.values);
  }
  validate_classes(field, names);
}

template <size_t kCount>
std::vector<AttributeKind> kinds_of(const full_size::Attribute (&attributes)[kCount]) {
  std::vector<AttributeKind> kinds;
  for (const full_size::Attribute& attribute : attributes) {
    AttributeKind& kind = kinds.emplace_back();
    kind.name = attribute.name;
    for (const char* value : attribute.values)
      if (value != nullptr) kind.values.emplace_back(value);
    for (const char* of : attribute.classes)
      if (of != nullptr) kind.classes.emplace_back(of);
  }
  return kinds;
}

void validate_voxels(const VoxelGrid& grid) {
  for (auto [name, value] : {std::tuple{"x_min", grid.x_min}, std::tuple{"y_min", grid.y_min},
                             std::tuple{"z_min", grid.z_min}, std::tuple{"cell", grid.cell}})
    check_usage(std::isfinite(value), fmt::format("voxels: {} is {}, expected a finite number", name, value));
  check_usage(grid.cell > 0, fmt::format("voxels: cell is {}, expected > 0", grid.cell));
  for (auto [name, count, most] :
       {std::tuple{"levels", grid.levels, int64_t{64}}, std::tuple{"rows", grid.rows, kMostVoxelRows},
        std::tuple{"columns", grid.columns, kMostVoxelRows}})
    check_usage(count >= 1 && count <= most, fmt::format("voxels: {} is {}, expected 1 to {}", name, count, most));
  check_usage(grid.count() <= kMostVoxels,
              fmt::format("voxels: there are {}, expected at most {}", grid.count(), kMostVoxels));
}

void validate_grid(const LabelGrid& grid) {
  check_usage(grid.cell > 0 && std::isfinite(grid.cell),
              fmt::format("label grid: cell is {}, expected > 0", grid.cell));
  for (auto [name, low, high] : {std::tuple{"x", grid.x_min, grid.x_max}, std::tuple{"y", grid.y_min, grid.y_max}}) {
    check_usage(std::isfinite(low) && std::isfinite(high) && high > low,
                fmt::format("label grid: {} goes from {} to {}, expected an interval", name, low, high));
    double count = (high - low) / grid.cell;
    check_usage(count < 16384 && std::abs(count - std::round(count)) < 1e-6 && count >= 1,
                fmt::format("label grid: {} spans {} cells of {} m, expected a whole number from 1 to 16383", name,
                            count, grid.cell));
  }
}

}  // namespace

int64_t LabelGrid::rows() const {
  return cells(y_min, y_max, cell);
}
int64_t LabelGrid::columns() const {
  return cells(x_min, x_max, cell);
}

int64_t VoxelGrid::level_of(double z) const {
  return static_cast<int64_t>(std::floor((z - z_min) / cell + 1e-9));
}

LabelGrid VoxelGrid::ground() const {
  return {.x_min = x_min,
          .y_min = y_min,
          .z_min = z_min,
          .x_max = x_min + static_cast<double>(columns) * cell,
          .y_max = y_min + static_cast<double>(rows) * cell,
          .z_max = z_min + static_cast<double>(levels) * cell,
          .cell = cell};
}

std::vector<AttributeKind> known_box_attributes() {
  return kinds_of(full_size::kBoxAttributes);
}
std::vector<AttributeKind> known_lane_attributes() {
  return kinds_of(full_size::kLaneAttributes);
}

AttributePlace find_attribute(const std::vector<AttributeKind>& kinds, std::string_view kind, std::string_view value) {
  for (size_t k = 0; k < kinds.size(); ++k) {
    const std::vector<std::string>& values = kinds[k].values;
    for (size_t v = 0; kinds[k].name == kind && v < values.size(); ++v)
      if (values[v] == value) return {static_cast<int>(k), static_cast<int>(v)};
  }
  return {};
}

void set_attribute(const std::vector<AttributeKind>& kinds, std::string_view kind, std::string_view value,
                   std::vector<int>* attributes) {
  const AttributePlace place = find_attribute(kinds, kind, value);
  if (place.kind < 0) return;
  attributes->resize(kinds.size(), -1);
  (*attributes)[static_cast<size_t>(place.kind)] = place.value;
}

int64_t DatasetOptions::num_cameras() const {
  int64_t count = 0;
  for (const CameraGroupOptions& group : groups) count += static_cast<int64_t>(group.cameras.size());
  return count;
}

void DatasetOptions::validate() const {
  std::set<std::string> cameras;
  for (const CameraGroupOptions& group : groups) {
    check_usage(!group.cameras.empty(), fmt::format("camera group '{}' has no camera", group.name));
    check_usage(group.height > 0 && group.width > 0 && group.height <= 16384 && group.width <= 16384,
                fmt::format("camera group '{}': image size is {}x{}, expected 1 to 16384 each", group.name,
                            group.height, group.width));
    check_usage(group.ego_masks.empty() || group.ego_masks.size() == group.cameras.size(),
                fmt::format("camera group '{}': {} ego masks for {} cameras", group.name, group.ego_masks.size(),
                            group.cameras.size()));
    for (const std::string& camera : group.cameras)
      check_usage(cameras.insert(camera).second, fmt::format("camera '{}' is named twice", camera));
  }
  validate_grid(labels.grid);
  validate_classes("lane_classes", labels.lane_classes);
  validate_classes("road_classes", labels.road_classes);
  validate_classes("instance_classes", labels.instance_classes);
  validate_classes("dynamic_classes", labels.dynamic_classes);
  validate_classes("voxel_classes", labels.voxel_classes);
  check_usage(
      std::ssize(labels.voxel_classes) <= kMostVoxelClasses,
      fmt::format("voxel_classes: {} of them, expected at most {}", labels.voxel_classes.size(), kMostVoxelClasses));
  validate_voxels(labels.voxels);
  validate_attributes("box_attributes", labels.box_attributes);
  validate_attributes("lane_attributes", labels.lane_attributes);
}

}  // namespace bevgrad
