#include "data/label_voxels.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <set>
#include <unordered_set>

#include "base/text.h"
#include "data/voxels/accumulated_voxels.h"
#include "internal/fresh_folder.h"
#include "internal/info_list.h"
#include "internal/record/camera.h"
#include "internal/record/parse.h"
#include "internal/record/voxels.h"

namespace bevgrad {

namespace fs = std::filesystem;

namespace {

constexpr double kKeyMetres = 1, kKeySeconds = 1;

/// Each record once: the entries of every sequence in the order of time.
std::map<int64_t, std::vector<int64_t>> sequences_of(const Dataset& dataset) {
  std::map<int64_t, std::vector<int64_t>> sequences;
  std::vector<std::unordered_set<std::string>> seen(dataset.stores().size());
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const FrameEntry& entry = dataset.entry(i);
    if (seen[static_cast<size_t>(entry.store)].insert(entry.key).second) sequences[entry.sequence].push_back(i);
  }
  for (auto& [sequence, entries] : sequences)
    std::sort(entries.begin(), entries.end(), [&](int64_t a, int64_t b) {
      return std::pair(dataset.entry(a).timestamp, dataset.entry(a).key) <
             std::pair(dataset.entry(b).timestamp, dataset.entry(b).key);
    });
  return sequences;
}

/// The dataset's LMDBs and lists anew.
class Copy {
 public:
  Copy(const Dataset& dataset, const std::string& folder) : folder_(folder) {
    for (size_t i = 0; i < dataset.stores().size(); ++i) {
      names_.push_back(dataset.stores().size() == 1 ? "lmdb/frames" : fmt::format("lmdb/frames{}", i));
      writers_.push_back(std::make_unique<LmdbWriter>(folder_ / names_.back()));
    }
    for (const ListGroup& group : dataset.groups())
      for (const std::string& list : group.lists) {
        const std::string name = fs::path(list).filename().string();
        if (!lists_.emplace(name, list).second)
          throw UsageError(fmt::format("{}: two lists are called '{}'", list, printable(name)));
      }
  }

  void put(const FrameEntry& entry, const std::string& bytes) {
    writers_[static_cast<size_t>(entry.store)]->put(entry.key, bytes);
  }
  void finish() {
    for (const auto& writer : writers_) writer->finish();
    write_lines(folder_ / "lmdb.txt", names_);
    for (const auto& [name, list] : lists_) {
      std::vector<std::string> keys;
      for (const ListLine& line : read_info_list(list)) keys.push_back(line.text);
      write_lines(folder_ / name, keys);
    }
    folder_.appear();
  }

 private:
  FreshFolder folder_;
  std::vector<std::string> names_;
  std::vector<std::unique_ptr<LmdbWriter>> writers_;
  std::map<std::string, std::string> lists_;
};

class Labelling {
 public:
  Labelling(const Dataset& dataset, const LabelVoxelsOptions& options, LabelVoxelsReport& report)
      : dataset_(dataset), options_(options), report_(report), reading_(dataset.options()) {
    reading_.load_images = false;
    reading_.load_points = true;
    reading_.groups.clear();
    const std::vector<std::string>& roads = reading_.labels.road_classes;
    drivable_ = static_cast<int>(std::ranges::find(roads, options.drivable) - roads.begin());
    schema_.voxels = options.grid;
    schema_.voxel_classes = reading_.labels.dynamic_classes;
    const auto number_of = [&](const char* name) {
      const auto found = std::ranges::find(schema_.voxel_classes, name);
      check(found == schema_.voxel_classes.end(), "voxels: boxes have the class '{}', which voxels have by themselves",
            name);
      schema_.voxel_classes.emplace_back(name);
      return static_cast<uint8_t>(schema_.voxel_classes.size() - 1);
    };
    const bool knows_roads = static_cast<size_t>(drivable_) < roads.size();
    if (knows_roads) numbers_.road = number_of("road");
    numbers_.ground = number_of("ground");
    numbers_.other = number_of("other");
    numbers_.free = static_cast<uint8_t>(schema_.voxel_classes.size());
    if (!knows_roads) numbers_.road = numbers_.ground;
    check(schema_.voxel_classes.size() <= kMostVoxelClasses, "voxels: {} classes, expected at most {}",
          schema_.voxel_classes.size(), kMostVoxelClasses);
  }

  template <class Put>
  void add(const std::vector<int64_t>& entries, Put put) {
    const std::vector<size_t> keys = keys_of(entries);
    AccumulatedVoxels voxels(options_.grid, numbers_);
    const auto reach = static_cast<size_t>(options_.keys);
    size_t first = 0, end = 0, nearest = 0;  // of keys: those that are held, and the one before the present sweep
    for (size_t i = 0; i < entries.size(); ++i) {
      while (nearest + 1 < keys.size() && keys[nearest + 1] <= i) ++nearest;
      if (!keys.empty()) {
        for (; end < std::min(keys.size(), nearest + reach + 1); ++end)
          voxels.add_key(sweep_of(record_of(entries[keys[end]]), entries[keys[end]]));
        for (; first + reach < nearest; ++first) voxels.drop_first_key();
      }
      records::Sample record = record_of(entries[i]);
      ++report_.records;
      if (tells(record)) label(voxels, entries[i], record);
      put(dataset_.entry(entries[i]), record.SerializeAsString());
    }
  }

  void add_remarks() {
    if (report_.labelled < report_.records)
      report_.remarks.push_back(
          fmt::format("{} records have no points or are not labelled with boxes: they stay as they are",
                      report_.records - report_.labelled));
    if (without_track_ > 0)
      report_.remarks.push_back(
          fmt::format("{} boxes have no track: only the points of their own sweep are theirs", without_track_));
  }

 private:
  RecordOrigin origin_of(int64_t entry) const {
    const FrameEntry& frame = dataset_.entry(entry);
    return {dataset_.stores()[static_cast<size_t>(frame.store)].path(), frame.key};
  }

  records::Sample record_of(int64_t entry) const {
    const std::string bytes = dataset_.load_bytes(entry);
    return parse_record({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, origin_of(entry));
  }

  static bool tells(const records::Sample& record) {
    return record.has_points() && record.labels().dynamic_classes_size() > 0;
  }

  /// Sweeps that tell what stands still, a metre or a second apart.
  std::vector<size_t> keys_of(const std::vector<int64_t>& entries) const {
    std::vector<size_t> keys;
    Vec3 last;
    double when = 0;
    for (size_t i = 0; i < entries.size(); ++i) {
      const records::Sample record = record_of(entries[i]);
      if (!tells(record)) continue;
      const Vec3 at = pose_of(record, origin_of(entries[i])).translation();
      if (!keys.empty() && norm(at - last) < kKeyMetres && record.timestamp() - when < kKeySeconds) continue;
      keys.push_back(i);
      last = at;
      when = record.timestamp();
    }
    return keys;
  }

  static Pose pose_of(const records::Sample& record, const RecordOrigin& origin) {
    const bool has_true = record.true_pose_size() > 0;
    return checked_pose(has_true ? record.true_pose() : record.ego_pose(), origin, has_true ? "true_pose" : "ego_pose");
  }

  LabelledSweep sweep_of(const records::Sample& record, int64_t entry) {
    const RecordOrigin origin = origin_of(entry);
    Sample sample = decode_record(record, reading_, origin);
    if (!sample.lidar && !options_.lidar)
      throw UsageError(fmt::format("{}: is missing, say with --lidar x,y,z where the LiDAR is in the ego frame",
                                   std::string(origin.at("points.sensor"))));
    LabelledSweep sweep;
    sweep.ego2map = sample.true_pose;
    sweep.points = sample.points;
    sweep.lidar = sample.lidar ? *sample.lidar : *options_.lidar;
    sweep.boxes = std::move(sample.labels.boxes);
    for (LabelShape& shape : sample.labels.road_shapes)
      if (shape.closed && shape.class_id == drivable_) sweep.drivable.push_back(std::move(shape.points));
    return sweep;
  }

  void label(const AccumulatedVoxels& voxels, int64_t entry, records::Sample& record) {
    LabelledSweep sweep = sweep_of(record, entry);
    for (const records::Camera& camera : record.cameras())
      sweep.cameras.push_back(load_camera(camera, origin_of(entry)));
    for (const Box3d& box : sweep.boxes) without_track_ += box.track < 0;
    const LabelledVoxels made = voxels.label(sweep);
    Labels labels;
    labels.voxels = made.labels;
    labels.voxels_seen = made.seen;
    record.mutable_labels()->clear_voxels();
    store_voxels(labels, schema_, record.mutable_labels());
    ++report_.labelled;
    const uint8_t* label = made.labels.data<const uint8_t>();
    std::array<int64_t, 256> counts{};
    for (int64_t i = 0; i < options_.grid.count(); ++i) ++counts[label[i]];
    for (size_t i = 0; i < schema_.voxel_classes.size(); ++i) report_.voxels[schema_.voxel_classes[i]] += counts[i];
    report_.voxels["free"] += counts[numbers_.free];
    report_.voxels["not known"] += counts[kIgnoreLabel];
  }

  const Dataset& dataset_;
  const LabelVoxelsOptions& options_;
  LabelVoxelsReport& report_;
  DatasetOptions reading_;
  LabelSchema schema_;
  VoxelNumbers numbers_;
  int drivable_ = 0;
  int64_t without_track_ = 0;
};

}  // namespace

LabelVoxelsReport label_voxels(const Dataset& dataset, const std::string& folder, const LabelVoxelsOptions& options) {
  if (options.keys < 0 || options.keys > 1000)
    throw UsageError(fmt::format("voxels: {} key sweeps, expected 0 to 1000", options.keys));
  LabelVoxelsReport report;
  Labelling labelling(dataset, options, report);
  Copy copy(dataset, folder);
  for (const auto& [sequence, entries] : sequences_of(dataset))
    labelling.add(entries, [&](const FrameEntry& entry, const std::string& bytes) { copy.put(entry, bytes); });
  check(report.labelled > 0, "voxels: no record has points and is labelled with boxes");
  labelling.add_remarks();
  copy.finish();
  return report;
}

}  // namespace bevgrad
