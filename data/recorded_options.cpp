#include "data/recorded_options.h"

#include <algorithm>
#include <cmath>

#include "data/check/classes.h"
#include "internal/record/parse.h"

namespace bevgrad {

namespace {

void add_names(const google::protobuf::RepeatedPtrField<std::string>& stored, std::vector<std::string>& names) {
  for (const std::string& name : stored)
    if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
}

bool take_grid(const records::Labels& labels, LabelGrid& grid) {
  for (const records::Raster* raster : {&labels.lane(), &labels.road(), &labels.visibility()}) {
    if (raster->rows() == 0 || raster->columns() == 0 || !(raster->cell() > 0)) continue;
    grid.x_min = raster->x_min();
    grid.y_min = raster->y_min();
    grid.cell = raster->cell();
    grid.x_max = grid.x_min + raster->columns() * grid.cell;
    grid.y_max = grid.y_min + raster->rows() * grid.cell;
    return true;
  }
  return false;
}

bool take_voxels(const records::Voxels& voxels, LabelSchema& labels) {
  if (voxels.classes().empty()) return false;
  add_names(voxels.classes(), labels.voxel_classes);
  labels.voxels = {.x_min = voxels.x_min(),
                   .y_min = voxels.y_min(),
                   .z_min = voxels.z_min(),
                   .cell = voxels.cell(),
                   .levels = voxels.levels(),
                   .rows = voxels.rows(),
                   .columns = voxels.columns()};
  return true;
}

void add_kinds(const google::protobuf::RepeatedPtrField<records::AttributeKind>& stored,
               std::vector<AttributeKind>& kinds) {
  for (const records::AttributeKind& kind : stored) {
    if (kind.name().empty()) continue;
    auto known = std::find_if(kinds.begin(), kinds.end(), [&](const auto& k) { return k.name == kind.name(); });
    if (known == kinds.end()) known = kinds.insert(kinds.end(), {kind.name(), {}});
    add_names(kind.values(), known->values);
  }
}

}  // namespace

DatasetOptions recorded_options(const Dataset& dataset, int64_t most) {
  DatasetOptions options;
  for (const ClassKind kind : kClassKinds) classes_of(options.labels, kind).clear();
  const int64_t count = std::min(most, dataset.size());
  bool has_grid = false, has_voxels = false;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t entry = i * dataset.size() / count;
    const std::string bytes = dataset.load_bytes(entry);
    const FrameEntry& frame = dataset.entry(entry);
    const records::Sample stored = parse_record({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()},
                                                {dataset.stores()[static_cast<size_t>(frame.store)].path(), frame.key});
    const auto has_camera = [&](const CameraGroupOptions& group) {
      return std::any_of(stored.cameras().begin(), stored.cameras().end(),
                         [&](const records::Camera& camera) { return camera.name() == group.name; });
    };
    if (i == 0)
      for (const records::Camera& camera : stored.cameras())
        options.groups.push_back({camera.name(), {camera.name()}, camera.height(), camera.width()});
    std::erase_if(options.groups, [&](const CameraGroupOptions& group) { return !has_camera(group); });
    options.load_points = options.load_points && stored.has_points();
    for (const ClassKind kind : kClassKinds)
      add_names(classes_of(stored.labels(), kind), classes_of(options.labels, kind));
    add_kinds(stored.labels().box_attributes(), options.labels.box_attributes);
    add_kinds(stored.labels().lane_attributes(), options.labels.lane_attributes);
    has_grid = has_grid || take_grid(stored.labels(), options.labels.grid);
    has_voxels = has_voxels || take_voxels(stored.labels().voxels(), options.labels);
  }
  options.validate();
  return options;
}

}  // namespace bevgrad
