#include "data/import_av2.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "data/record.h"
#include "internal/argoverse2/log.h"
#include "internal/dataset_folder.h"
#include "internal/pictures.h"
#include "internal/points_in_boxes.h"
#include "internal/record/camera.h"
#include "internal/record/labels.h"
#include "internal/record/number_checks.h"
#include "internal/record/points.h"

namespace bevgrad {

namespace fs = std::filesystem;

namespace {

constexpr double kAxleHeight = 0.33;        // metres, by Argoverse's description of its ego frame
constexpr int64_t kFarInTime = 60'000'000;  // nanoseconds between a sweep and a picture
constexpr double kSweepReach = 120;         // metres

struct CategoryName {
  const char* category;
  const char* ours;
};
constexpr CategoryName kCategories[] = {{"REGULAR_VEHICLE", "car"},
                                        {"LARGE_VEHICLE", "truck"},
                                        {"BOX_TRUCK", "truck"},
                                        {"TRUCK", "truck"},
                                        {"TRUCK_CAB", "truck"},
                                        {"VEHICULAR_TRAILER", "truck"},
                                        {"BUS", "bus"},
                                        {"SCHOOL_BUS", "bus"},
                                        {"ARTICULATED_BUS", "bus"},
                                        {"PEDESTRIAN", "person"},
                                        {"OFFICIAL_SIGNALER", "person"},
                                        {"BICYCLIST", "non_motor"},
                                        {"MOTORCYCLIST", "non_motor"},
                                        {"WHEELED_RIDER", "non_motor"},
                                        {"BICYCLE", "riderless_non_motor"},
                                        {"MOTORCYCLE", "riderless_non_motor"},
                                        {"WHEELED_DEVICE", "riderless_non_motor"},
                                        {"CONSTRUCTION_CONE", "pillar"},
                                        {"CONSTRUCTION_BARREL", "pillar"},
                                        {"BOLLARD", "pillar"}};

const char* class_of_category(const std::string& category) {
  for (const CategoryName& pair : kCategories)
    if (category == pair.category) return pair.ours;
  return nullptr;
}

/// Height of the ego frame's origin over the ground: the median over the log's sweeps.
double height_over_ground(const Av2Log& log) {
  std::vector<double> heights;
  for (const int64_t sweep : log.sweeps) {
    const Vec3 at = log.pose_at(sweep).translation();
    const std::optional<double> ground = log.ground ? log.ground->at(at.x, at.y) : std::nullopt;
    if (ground) heights.push_back(at.z - *ground);
  }
  if (heights.empty()) return kAxleHeight;
  const auto middle = heights.begin() + static_cast<std::ptrdiff_t>(heights.size() / 2);
  std::nth_element(heights.begin(), middle, heights.end());
  check(std::abs(*middle) < 3, "{}: its poses lie {:.1f} m over its ground heights, expected about {} m", log.folder,
        *middle, kAxleHeight);
  return *middle;
}

std::optional<int64_t> nearest_picture(const std::vector<int64_t>& times, int64_t wanted) {
  const auto after = std::lower_bound(times.begin(), times.end(), wanted);
  std::optional<int64_t> best;
  for (const auto it : {after, after == times.begin() ? after : std::prev(after)})
    if (it != times.end() && (!best || std::abs(*it - wanted) < std::abs(*best - wanted))) best = *it;
  return best && std::abs(*best - wanted) <= kFarInTime ? best : std::nullopt;
}

/// One import on its way.
class Av2Import {
 public:
  Av2Import(const ImportAv2Options& options, ImportAv2Report& report)
      : options_(options), report_(report), classes_(map_classes(options.classes)) {
    schema_.lane_classes = map_class_names(classes_, MapLayer::Lane, av2_map_kinds());
    schema_.road_classes = map_class_names(classes_, MapLayer::Road, av2_map_kinds());
    schema_.lane_attributes = known_lane_attributes();
    schema_.grid = {
        .x_min = -kSweepReach, .y_min = -kSweepReach, .x_max = kSweepReach, .y_max = kSweepReach, .cell = 0.2};
  }

  /// Calls `put` with every frame's key and record.
  template <class Put>
  void add_log(const std::string& folder, int64_t sequence, Put put) {
    const Av2Log log = read_av2_log(folder);
    check(names_.insert(log.name).second, "{}: a log of the name '{}' is already there", folder, printable(log.name));
    ++report_.logs;
    const std::vector<std::string> cameras = cameras_of(log);
    const double height = height_over_ground(log);
    if (!log.ground)
      report_.remarks.push_back(
          fmt::format("{}: no ground heights: the ego frame was taken to lie {} m "
                      "over the ground",
                      log.name, kAxleHeight));
    if (!log.map) report_.remarks.push_back(fmt::format("{}: no map: lane marks and road are not labelled", log.name));
    std::optional<MapLabeller> labeller;
    if (log.map) labeller.emplace(*log.map, classes_);
    tracker_.reset();
    if (options_.visibility) tracker_.emplace(*options_.visibility);
    Pose to_ground;
    to_ground.m[11] = -height;
    for (const int64_t sweep : log.sweeps) {
      records::Sample out;
      for (const std::string& name : cameras) add_picture(log, name, sweep, to_ground, &out);
      const std::string key = fmt::format("{}/{}", log.name, sweep);
      out.set_sequence(sequence);
      out.set_timestamp(static_cast<double>(sweep) * 1e-9);
      out.set_key(key);
      out.set_place(log.city);
      const Pose ego2city = log.pose_at(sweep) * to_ground;
      store_pose(ego2city, out.mutable_ego_pose());
      add_labels(log, sweep, height, labeller ? &*labeller : nullptr, ego2city, &out);
      put(key, out.SerializeAsString());
      ++report_.frames;
    }
  }

  void add_remarks() const {
    pictures_.add_remarks(report_.remarks);
    for (const auto& [camera, count] : without_)
      report_.remarks.push_back(fmt::format("{} frames have no picture of camera '{}'", count, printable(camera)));
  }

 private:
  std::vector<std::string> cameras_of(const Av2Log& log) const {
    if (!options_.cameras.empty()) return options_.cameras;
    std::vector<std::string> ring;
    for (const auto& [name, camera] : log.cameras)
      if (name.starts_with("ring_")) ring.push_back(name);
    return ring;
  }

  void add_picture(const Av2Log& log, const std::string& name, int64_t sweep, const Pose& to_ground,
                   records::Sample* out) {
    const auto camera = log.cameras.find(name);
    const std::optional<int64_t> time =
        camera == log.cameras.end() ? std::nullopt : nearest_picture(camera->second.images, sweep);
    if (!time) {
      ++without_[name];
      return;
    }
    const std::string path = (fs::path(log.folder) / "sensors/cameras" / name / fmt::format("{}.jpg", *time)).string();
    Camera calibration = camera->second.camera;
    // Where the camera was at its own moment, seen from the vehicle at the sweep's.
    calibration.sensor2ego = (log.pose_at(sweep) * to_ground).inverse() * log.pose_at(*time) * calibration.sensor2ego;
    pictures_.store(calibration, name, name, path, log.folder, out->add_cameras());
    report_.cameras.insert(name);
  }

  void add_labels(const Av2Log& log, int64_t sweep, double height, const MapLabeller* map, const Pose& ego2city,
                  records::Sample* out) {
    Tensor points = read_av2_sweep(log, sweep);
    for (int64_t i = 0; i < points.size(0); ++i) points.data<float>()[i * 4 + 2] += static_cast<float>(height);
    Labels labels;
    labels.has_boxes = log.has_boxes;
    CountedPoints in_boxes;
    if (const auto boxes = log.boxes.find(sweep); boxes != log.boxes.end())
      for (const Av2Box& annotated : boxes->second) {
        Box3d box = annotated.box;
        box.z += height;
        box.track = tracks_.emplace(annotated.track, static_cast<int64_t>(tracks_.size())).first->second;
        in_boxes.add(box, points);
        const char* ours = class_of_category(annotated.category);
        if (ours == nullptr) {
          ++report_.left_out[printable(annotated.category)];
          continue;
        }
        const auto at = std::find(schema_.dynamic_classes.begin(), schema_.dynamic_classes.end(), ours);
        box.class_id = static_cast<int>(at - schema_.dynamic_classes.begin());
        labels.boxes.push_back(box);
        ++report_.boxes;
      }
    check(in_boxes.belong_together(),
          "{}: {} points of the sweep {} lie in its boxes, where {} were counted: expected files that belong together",
          log.folder, in_boxes.found, sweep, in_boxes.counted);
    if (map != nullptr) map->label(ego2city, schema_, &labels);
    LabelSchema schema = schema_;
    if (tracker_) {
      std::vector<Camera> cameras;
      for (const records::Camera& camera : out->cameras())
        cameras.push_back(load_camera(camera, {log.folder, out->key()}));
      labels.visibility = tracker_->add(out->timestamp(), ego2city, cameras, points, labels.boxes);
      schema.grid = options_.visibility->grid;
    }
    store_labels(labels, schema, out->mutable_labels());
    if (map != nullptr) {  // also where none is in reach: that is a label, too
      out->mutable_labels()->mutable_lane_classes()->Assign(schema_.lane_classes.begin(), schema_.lane_classes.end());
      out->mutable_labels()->mutable_road_classes()->Assign(schema_.road_classes.begin(), schema_.road_classes.end());
    }
    store_points(points, {.quantise_points = false}, out->mutable_points());
    if (log.lidar) store_lidar({log.lidar->x, log.lidar->y, log.lidar->z + height}, out->mutable_points());
  }

  const ImportAv2Options& options_;
  ImportAv2Report& report_;
  MapClasses classes_;
  LabelSchema schema_;
  std::set<std::string> names_;
  PictureReader pictures_;
  std::map<std::string, int64_t> without_;  // pictures, by camera
  std::map<std::string, int64_t> tracks_;   // their numbers
  std::optional<VisibilityTracker> tracker_;
};

}  // namespace

ImportAv2Report import_av2(const std::string& folder, const ImportAv2Options& options) {
  if (options.logs.empty()) throw UsageError("import: no log is named");
  const std::set<std::string> cameras(options.cameras.begin(), options.cameras.end());
  if (cameras.size() != options.cameras.size()) throw UsageError("cameras: a name is there twice");
  for (const std::string& name : options.cameras)
    if (std::none_of(options.logs.begin(), options.logs.end(), [&](const std::string& log) {
          return fs::is_directory(fs::path(log) / "sensors/cameras" / name);
        }))
      throw UsageError(fmt::format("import: no log has pictures of a camera '{}'", printable(name)));
  ImportAv2Report report;
  Av2Import importer(options, report);
  DatasetFolder out(folder);
  for (size_t i = 0; i < options.logs.size(); ++i)
    importer.add_log(options.logs[i], static_cast<int64_t>(i),
                     [&](const std::string& key, const std::string& bytes) { out.put(key, bytes); });
  importer.add_remarks();
  out.finish();
  return report;
}  // namespace bevgrad

}  // namespace bevgrad
