#include "data/dataset_summary.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <optional>
#include <set>

#include "data/check/history.h"
#include "internal/record/camera.h"
#include "internal/record/number_checks.h"
#include "internal/record/parse.h"

namespace bevgrad {

namespace {

double horizontal_view(const Camera& camera) {
  const CameraProjector projector(camera);
  const auto angle_of = [&](double u) -> double {
    const auto ray = projector.unproject_sensor({u, camera.cy});
    return ray ? std::atan2(ray->x, ray->z) : std::numeric_limits<double>::quiet_NaN();
  };
  const double angle = angle_of(camera.width - 0.5) - angle_of(-0.5);
  const double whole = std::isfinite(angle) ? (angle < 0 ? angle + 2 * std::numbers::pi : angle) : camera.fov;
  return whole * 180 / std::numbers::pi;
}

void add_camera(const records::Camera& stored, const RecordOrigin& origin, std::vector<CameraSummary>& cameras) {
  auto found = std::find_if(cameras.begin(), cameras.end(),
                            [&](const CameraSummary& camera) { return camera.name == stored.name(); });
  if (found == cameras.end()) {
    const Camera camera = load_camera(stored, origin);
    cameras.push_back({stored.name(), stored.group(), name(camera.kind), {}, horizontal_view(camera)});
    found = cameras.end() - 1;
  }
  ++found->sizes[{static_cast<int>(stored.width()), static_cast<int>(stored.height())}];
}

std::vector<SetSummary> summarise_sets(const Dataset& dataset) {
  std::vector<SetSummary> sets;
  for (const HistoryReach& reach : history_reach(dataset, {}))
    sets.push_back(
        {.name = reach.set, .period = reach.period, .x_min = 1e300, .x_max = -1e300, .y_min = 1e300, .y_max = -1e300});
  std::vector<std::set<int64_t>> sequences(sets.size());
  for (const Stream& stream : dataset.streams()) {
    SetSummary& set = sets[static_cast<size_t>(stream.group)];
    const auto frames = static_cast<int64_t>(stream.frames.size());
    sequences[static_cast<size_t>(stream.group)].insert(stream.sequence);
    ++set.streams;
    set.entries += frames;
    set.shortest = set.streams == 1 ? frames : std::min(set.shortest, frames);
    set.longest = std::max(set.longest, frames);
    set.seconds += dataset.entry(stream.frames.back()).timestamp - dataset.entry(stream.frames.front()).timestamp;
  }
  for (size_t i = 0; i < sets.size(); ++i) sets[i].sequences = static_cast<int64_t>(sequences[i].size());
  return sets;
}

void add_pose(const Vec3& at, const std::optional<Vec3>& before, SetSummary& set) {
  set.x_min = std::min(set.x_min, at.x);
  set.x_max = std::max(set.x_max, at.x);
  set.y_min = std::min(set.y_min, at.y);
  set.y_max = std::max(set.y_max, at.y);
  if (before) set.metres += std::hypot(at.x - before->x, at.y - before->y);
}

template <class Items>
void count_attributes(const Items& items, const std::vector<AttributeKind>& kinds,
                      std::map<std::string, int64_t>& counts) {
  for (const auto& item : items)
    for (size_t k = 0; k < item.attributes.size(); ++k)
      if (item.attributes[k] >= 0)
        ++counts[kinds[k].name + ": " + kinds[k].values[static_cast<size_t>(item.attributes[k])]];
}

}  // namespace

DatasetSummary summarise(const Dataset& dataset, int64_t most) {
  DatasetSummary summary;
  summary.sets = summarise_sets(dataset);
  summary.classes = ClassTally(dataset.options().labels);
  std::set<std::pair<int, std::string>> distinct;
  for (int64_t i = 0; i < dataset.size(); ++i) distinct.emplace(dataset.entry(i).store, dataset.entry(i).key);
  summary.records = static_cast<int64_t>(distinct.size());
  const int64_t stride = most == 0 ? 1 : std::max<int64_t>(1, (dataset.size() + most - 1) / most);
  DatasetOptions labels_only = dataset.options();
  labels_only.groups.clear();
  labels_only.load_points = labels_only.load_images = labels_only.ignore_never_seen = false;
  int64_t position = 0, with_cells = 0;
  for (const Stream& stream : dataset.streams()) {
    std::optional<Vec3> before;
    for (const int64_t frame : stream.frames) {
      if (position++ % stride != 0) continue;
      const FrameEntry& entry = dataset.entry(frame);
      const RecordOrigin origin{dataset.stores()[static_cast<size_t>(entry.store)].path(), entry.key};
      const std::string bytes = dataset.load_bytes(frame);
      const records::Sample stored =
          parse_record({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, origin);
      const Vec3 at = checked_pose(stored.ego_pose(), origin, "ego_pose").translation();
      add_pose(at, before, summary.sets[static_cast<size_t>(stream.group)]);
      before = at;
      if (distinct.erase({entry.store, entry.key}) == 0) continue;  // a list that is named twice
      ++summary.looked_at;
      summary.bytes += static_cast<int64_t>(bytes.size());
      for (const records::Camera& camera : stored.cameras()) add_camera(camera, origin, summary.cameras);
      const Labels labels = decode_record(stored, labels_only, origin).labels;
      summary.classes.look_at(stored.labels(), labels);
      summary.with_points += stored.has_points();
      summary.points += stored.points().count();
      summary.with_boxes += stored.labels().dynamic_classes_size() > 0;
      summary.with_instances += stored.labels().instance_classes_size() > 0;
      summary.with_voxels += stored.labels().has_voxels();
      count_attributes(labels.boxes, labels_only.labels.box_attributes, summary.attributes);
      count_attributes(labels.lane_shapes, labels_only.labels.lane_attributes, summary.attributes);
      if (!labels.visibility.defined()) continue;
      ++summary.with_visibility;
      const int64_t cells = labels.visibility.size(1) * labels.visibility.size(2);
      with_cells += cells;
      for (int64_t layer = 0; layer < 3; ++layer) {
        const uint8_t* seen = labels.visibility.data<const uint8_t>() + layer * cells;
        summary.seen[layer] += static_cast<double>(std::count(seen, seen + cells, 1));
      }
    }
  }
  for (double& share : summary.seen) share /= static_cast<double>(std::max<int64_t>(1, with_cells));
  summary.points /= static_cast<double>(std::max<int64_t>(1, summary.with_points));
  return summary;
}

}  // namespace bevgrad
