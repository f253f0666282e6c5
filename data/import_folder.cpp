#include "data/import_folder.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

#include "base/error.h"
#include "base/near_names.h"
#include "base/text.h"
#include "data/record.h"
#include "internal/clouds/cloud_file.h"
#include "internal/dataset_folder.h"
#include "internal/json_file.h"
#include "internal/limited_file.h"
#include "internal/mask_image.h"
#include "internal/neutral/json_schema.h"
#include "internal/neutral/labels.h"
#include "internal/neutral/values.h"
#include "internal/pictures.h"
#include "internal/points_in_boxes.h"
#include "internal/poses.h"
#include "internal/record/camera.h"
#include "internal/record/labels.h"
#include "internal/record/number_checks.h"
#include "internal/record/points.h"

namespace bevgrad {

namespace fs = std::filesystem;

namespace {

using Json = nlohmann::json;

constexpr double kLabelReach = 120;  // metres

struct PlacedMap {
  NeutralMap read;
  MapLabeller labeller;

  PlacedMap(const std::string& path, const MapClasses& classes)
      : read(read_neutral_map(path)), labeller(read.map, classes) {}
};

/// What a sequence says of all of its frames.
struct Sequence {
  std::string path, stem;
  std::string place;
  std::map<std::string, Camera> cameras;
  std::map<std::string, std::string> groups;
  std::string points_frame = "ego";
  Pose lidar2ego;
  std::optional<Vec3> lidar;
  std::vector<std::string> columns = {"x", "y", "z", "intensity"};
  double intensity_max = 1;
  const PlacedMap* map = nullptr;
  LabelSchema labelled, map_only;  ///< classes of a frame with labels, and of one without
  bool has_instances = false, has_boxes = false;
};

void add_names(const std::vector<std::string>& more, std::vector<std::string>& names) {
  for (const std::string& name : more)
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
}

/// Classes of a kind of label; nothing where they are not named.
std::vector<std::string> classes_named(const Json& json, const char* name, const std::string& path) {
  if (!json.contains("classes") || !json.at("classes").contains(name)) return {};
  auto names = json.at("classes").at(name).get<std::vector<std::string>>();
  for (size_t i = 0; i < names.size(); ++i)
    check(std::find(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(i), names[i]) ==
              names.begin() + static_cast<std::ptrdiff_t>(i),
          "{}: classes.{}[{}] is '{}', which is there already", path, name, i, printable(names[i]));
  return names;
}

/// The kinds of `name` ("boxes", "lane"), in the file's order by name; those that everybody knows where it says none.
std::vector<AttributeKind> attributes_named(const Json& json, const char* name, std::vector<AttributeKind> known) {
  if (!json.contains("attributes") || !json.at("attributes").contains(name)) return known;
  std::vector<AttributeKind> kinds;
  for (const auto& [kind, values] : json.at("attributes").at(name).items())
    kinds.push_back({kind, values.get<std::vector<std::string>>()});
  return kinds;
}

class FolderImport {
 public:
  FolderImport(const ImportFolderOptions& options, ImportFolderReport& report)
      : folder_(options.folder), report_(report), classes_(map_classes(options.classes)), options_(options) {}

  template <class Put>
  void add(const std::string& path, int64_t number, Put put) {
    const Json json = read_json_file(path);
    sequence_schema().check(json, path);
    const Sequence sequence = read_sequence(json, path);
    std::vector<std::string> lists = json.value("lists", std::vector<std::string>());
    for (const std::string& list : lists)
      check(list != "lmdb" && list != "all" && list.find_first_of("/\\\n\r") == std::string::npos &&
                std::count(lists.begin(), lists.end(), list) == 1,
            "{}: lists: '{}' cannot be the name of a list, or is there twice", path, printable(list));
    std::map<double, size_t> moments;
    const Json& frames = json.at("frames");
    std::vector<size_t> order(frames.size());  // of time: what is seen depends on what was
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      return frames[a].at("timestamp").get<double>() < frames[b].at("timestamp").get<double>();
    });
    tracker_.reset();
    if (options_.visibility) tracker_.emplace(*options_.visibility);
    for (const size_t i : order) {
      const std::string where = fmt::format("{}: frames[{}]", path, i);
      const double time = frames[i].at("timestamp");
      const auto [first, is_new] = moments.emplace(time, i);
      check(is_new, "{}.timestamp is {}, as frames[{}]'s is", where, time, first->second);
      const std::string key = frames[i].value("key", fmt::format("{}/{:06}", sequence.stem, i));
      check(std::all_of(key.begin(), key.end(), [](unsigned char c) { return c >= 32 && c != 127; }) &&
                key.front() != ' ' && key.back() != ' ',
            "{}.key is '{}', expected no control characters, and no blanks around it", where, printable(key));
      const auto [owner, is_own] = keys_.emplace(key, where);
      check(is_own, "{}: the key '{}' is {}'s already", where, printable(key), owner->second);
      records::Sample out;
      out.set_sequence(number);
      out.set_timestamp(time);
      out.set_key(key);
      out.set_place(sequence.place);
      add_frame(frames[i], sequence, where, &out);
      put(key, out.SerializeAsString(), lists);
      ++report_.frames;
    }
    ++report_.sequences;
  }

  void add_remarks() {
    pictures_.add_remarks(report_.remarks);
    if (without_intensity_ > 0)
      report_.remarks.push_back(
          fmt::format("{} point files have no intensity: it is 0 (first: {})", without_intensity_, first_without_));
    for (const auto& [camera, count] : missing_)
      report_.remarks.push_back(fmt::format("{} frames have no picture of camera '{}'", count, printable(camera)));
  }

 private:
  Sequence read_sequence(const Json& json, const std::string& path) {
    Sequence out;
    out.path = path;
    out.stem = fs::path(path).stem().string();
    out.place = json.value("place", "");
    if (json.contains("cameras"))
      for (const auto& [name, camera] : json.at("cameras").items()) {
        const std::string where = fmt::format("{}: cameras.{}", path, printable(name));
        check(!name.empty() && name.size() <= 200, "{}: a name of {} bytes, expected 1 to 200", where, name.size());
        std::string remark;
        Camera& made = out.cameras.emplace(name, neutral_camera(camera, where, &remark)).first->second;
        if (camera.contains("ego_mask_image")) {
          const std::string file = file_inside(folder_, camera.at("ego_mask_image"), where + ".ego_mask_image");
          for (auto& polygon : read_mask_image(file, made.width, made.height))
            made.ego_mask.push_back(std::move(polygon));
        }
        if (!remark.empty()) report_.remarks.push_back(remark);
        out.groups.emplace(name, camera.value("group", name));
      }
    if (json.contains("points")) read_points_entry(json.at("points"), path, out);
    LabelSchema none;
    none.lane_classes = none.road_classes = none.instance_classes = none.dynamic_classes = {};
    none.grid = {.x_min = -kLabelReach, .y_min = -kLabelReach, .x_max = kLabelReach, .y_max = kLabelReach, .cell = 0.2};
    none.box_attributes = attributes_named(json, "boxes", known_box_attributes());
    none.lane_attributes = attributes_named(json, "lane", known_lane_attributes());
    out.labelled = out.map_only = none;
    out.labelled.lane_classes = classes_named(json, "lane", path);
    out.labelled.road_classes = classes_named(json, "road", path);
    out.labelled.instance_classes = classes_named(json, "instances", path);
    out.labelled.dynamic_classes = classes_named(json, "boxes", path);
    out.has_instances = !out.labelled.instance_classes.empty();
    out.has_boxes = !out.labelled.dynamic_classes.empty();
    if (json.contains("map")) {
      const std::string file = file_inside(folder_, json.at("map"), path + ": map");
      auto& map = maps_[file];
      if (!map) map = std::make_unique<PlacedMap>(file, classes_);
      out.map = map.get();
      const auto lanes = map_class_names(classes_, MapLayer::Lane, map->read.kinds);
      const auto roads = map_class_names(classes_, MapLayer::Road, map->read.kinds);
      for (LabelSchema* schema : {&out.labelled, &out.map_only}) {
        add_names(lanes, schema->lane_classes);
        add_names(roads, schema->road_classes);
      }
    }
    return out;
  }

  static void read_points_entry(const Json& points, const std::string& path, Sequence& out) {
    out.points_frame = points.value("frame", "ego");
    check(points.contains("lidar2ego") == (out.points_frame == "lidar"), "{}: points.frame is {}, and lidar2ego is {}",
          path, out.points_frame, points.contains("lidar2ego") ? "there" : "missing");
    if (points.contains("lidar2ego")) {
      out.lidar2ego = neutral_pose(points.at("lidar2ego"), path + ": points.lidar2ego");
      out.lidar = out.lidar2ego.translation();
      check(!points.contains("sensor"), "{}: points has lidar2ego and sensor, expected one of them", path);
    }
    if (points.contains("sensor")) {
      const Json& at = points.at("sensor");
      out.lidar = Vec3{at[0], at[1], at[2]};
    }
    if (points.contains("columns")) out.columns = points.at("columns").get<std::vector<std::string>>();
    out.intensity_max = points.value("intensity_max", 1.0);
  }

  void add_frame(const Json& frame, const Sequence& sequence, const std::string& where, records::Sample* out) {
    const Pose ego2map = neutral_pose(frame.at("ego_pose"), where + ".ego_pose");
    check_upright(ego2map, where + ".ego_pose");
    store_pose(ego2map, out->mutable_ego_pose());
    if (frame.contains("true_pose"))
      store_pose(neutral_pose(frame.at("true_pose"), where + ".true_pose"), out->mutable_true_pose());
    add_pictures(frame, sequence, ego2map, where, out);
    Tensor points;
    if (frame.contains("points")) {
      points = read_points(frame.at("points"), sequence, ego2map, where);
      store_points(points, {.quantise_points = false}, out->mutable_points());
      if (sequence.lidar) store_lidar(*sequence.lidar, out->mutable_points());
    }
    add_labels(frame, sequence, ego2map, points, where, out);
  }

  void add_pictures(const Json& frame, const Sequence& sequence, const Pose& ego2map, const std::string& where,
                    records::Sample* out) {
    static const Json none = Json::object();
    const Json& pictures = frame.contains("cameras") ? frame.at("cameras") : none;
    for (const auto& [name, ignored] : pictures.items()) {
      std::vector<std::string> known;
      for (const auto& [camera, calibration] : sequence.cameras) known.push_back(camera);
      check(sequence.cameras.contains(name), "{}.cameras: '{}' is not calibrated in the sequence's cameras{}", where,
            printable(name), did_you_mean(name, known));
    }
    for (const auto& [name, calibration] : sequence.cameras) {
      if (!pictures.contains(name)) {
        ++missing_[name];
        continue;
      }
      const Json& picture = pictures.at(name);
      const std::string at = fmt::format("{}.cameras.{}", where, printable(name));
      Camera camera = calibration;
      if (picture.contains("sensor2ego"))
        camera.sensor2ego = neutral_pose(picture.at("sensor2ego"), at + ".sensor2ego");
      // Where the camera was at its own moment, seen from where the vehicle is at the frame's.
      if (picture.contains("ego_pose"))
        camera.sensor2ego =
            ego2map.inverse() * neutral_pose(picture.at("ego_pose"), at + ".ego_pose") * camera.sensor2ego;
      pictures_.store(camera, name, sequence.groups.at(name), file_inside(folder_, picture.at("image"), at + ".image"),
                      at, out->add_cameras());
      ++report_.pictures;
    }
  }

  Tensor read_points(const Json& file, const Sequence& sequence, const Pose& ego2map, const std::string& where) {
    const std::string path = file_inside(folder_, file, where + ".points");
    const CloudFile cloud = read_cloud_file(path, sequence.columns);
    if (!cloud.has_intensity && without_intensity_++ == 0) first_without_ = path;
    const Pose to_ego = sequence.points_frame == "lidar" ? sequence.lidar2ego
                        : sequence.points_frame == "map" ? ego2map.inverse()
                                                         : Pose();
    Tensor points = empty({static_cast<int64_t>(cloud.points.size()), 4});
    float* out = points.data<float>();
    for (size_t i = 0; i < cloud.points.size(); ++i, out += 4) {
      const auto& [x, y, z, intensity] = cloud.points[i];
      const Vec3 local = to_ego.apply({x, y, z});
      check(norm(local) < 1e5, "{}: point {} lies {:.0f} m from the vehicle: is points.frame right?", path, i,
            norm(local));
      const double share = intensity / sequence.intensity_max;
      check(share >= 0 && share <= 1, "{}: point {} has the intensity {}, expected 0 to {} (points.intensity_max)",
            path, i, intensity, sequence.intensity_max);
      out[0] = static_cast<float>(local.x);
      out[1] = static_cast<float>(local.y);
      out[2] = static_cast<float>(local.z);
      out[3] = static_cast<float>(share);
    }
    return points;
  }

  void add_labels(const Json& frame, const Sequence& sequence, const Pose& ego2map, const Tensor& points,
                  const std::string& where, records::Sample* out) {
    const bool is_labelled = frame.contains("labels");
    LabelSchema schema = is_labelled ? sequence.labelled : sequence.map_only;
    Labels labels;
    labels.has_instances = is_labelled && sequence.has_instances;
    labels.has_boxes = is_labelled && sequence.has_boxes;
    if (sequence.map != nullptr) sequence.map->labeller.label(ego2map, schema, &labels);
    if (is_labelled) read_neutral_labels(frame.at("labels"), ego2map, folder_, where + ".labels", schema, labels);
    CountedPoints in_boxes;
    if (points.defined())
      for (const Box3d& box : labels.boxes) in_boxes.add(box, points);
    check(!points.defined() || in_boxes.belong_together(),
          "{}: {} points lie in its boxes, where num_lidar_points counts {}: expected boxes and points that belong "
          "together",
          where, in_boxes.found, in_boxes.counted);
    if (tracker_) see(ego2map, points, schema, labels, out);
    report_.boxes += static_cast<int64_t>(labels.boxes.size());
    for (const LabelShape& shape : labels.lane_shapes)
      ++report_.shapes[schema.lane_classes[static_cast<size_t>(shape.class_id)]];
    for (const LabelShape& shape : labels.road_shapes)
      ++report_.shapes[schema.road_classes[static_cast<size_t>(shape.class_id)]];
    records::Labels* stored = out->mutable_labels();
    store_labels(labels, schema, stored);
    // Also where there are none: that is a label, too.
    stored->mutable_lane_classes()->Assign(schema.lane_classes.begin(), schema.lane_classes.end());
    stored->mutable_road_classes()->Assign(schema.road_classes.begin(), schema.road_classes.end());
  }

  void see(const Pose& ego2map, const Tensor& points, LabelSchema& schema, Labels& labels, const records::Sample* out) {
    std::vector<Camera> cameras;
    for (const records::Camera& camera : out->cameras()) cameras.push_back(load_camera(camera, {folder_, out->key()}));
    const Tensor seen = tracker_->add(out->timestamp(), ego2map, cameras, points, labels.boxes);
    if (labels.visibility.defined() || labels.lane.defined() || labels.road.defined()) return;
    labels.visibility = seen;
    schema.grid = options_.visibility->grid;
  }

  const std::string& folder_;
  ImportFolderReport& report_;
  MapClasses classes_;
  const ImportFolderOptions& options_;
  std::optional<VisibilityTracker> tracker_;
  std::map<std::string, std::unique_ptr<PlacedMap>> maps_;  // by file
  std::map<std::string, std::string> keys_;                 // and where they are
  PictureReader pictures_;
  int64_t without_intensity_ = 0;
  std::string first_without_;
  std::map<std::string, int64_t> missing_;
};

}  // namespace

ImportFolderReport import_folder(const std::string& folder, const ImportFolderOptions& options) {
  if (!fs::is_directory(options.folder))
    throw UsageError(fmt::format("{}: no such folder, expected one with *.json, a sequence each", options.folder));
  std::vector<std::string> sequences;
  for (const auto& entry : fs::directory_iterator(options.folder))
    if (entry.path().extension() == ".json") sequences.push_back(entry.path().string());
  std::sort(sequences.begin(), sequences.end());
  check(!sequences.empty(), "{}: holds no *.json, expected a sequence each (docs/neutral_folder.md)", options.folder);
  ImportFolderReport report;
  FolderImport importer(options, report);
  DatasetFolder out(folder);
  for (size_t i = 0; i < sequences.size(); ++i)
    importer.add(sequences[i], static_cast<int64_t>(i),
                 [&](const std::string& key, const std::string& bytes, const std::vector<std::string>& lists) {
                   out.put(key, bytes, lists);
                 });
  importer.add_remarks();
  report.by_list = out.finish();
  return report;
}  // namespace bevgrad

}  // namespace bevgrad
