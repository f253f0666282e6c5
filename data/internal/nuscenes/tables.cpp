#include "internal/nuscenes/tables.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "base/error.h"
#include "base/text.h"
#include "internal/poses.h"

namespace bevgrad {

namespace fs = std::filesystem;

namespace {

/// Microseconds between a sweep and the picture of it.
constexpr int64_t kFarInMicroseconds = 60'000;
/// Seconds between two annotations of an object beyond which their difference is no velocity.
constexpr double kLongestStep = 1.5;

int known(const std::vector<std::string>& names, const std::string& name) {
  const auto at = std::find(names.begin(), names.end(), name);
  return at == names.end() ? -1 : static_cast<int>(at - names.begin());
}

template <class Map>
const auto& find_row(const Map& map, const Token& token, const TableRow& row, const char* field, const char* table) {
  const auto found = map.find(token);
  check(found != map.end(), "{} is no token of {}", row.where(field), table);
  return found->second;
}

}  // namespace

NuscenesTables::NuscenesTables(const TableOptions& options) : options_(options) {
  channels_ = {"LIDAR_TOP"};
  channels_.insert(channels_.end(), options.cameras.begin(), options.cameras.end());
  read_sensors();
  read_scenes();
  read_samples();
  read_shots();
  choose_sweeps();
  read_poses();
  read_annotations();
}

std::string NuscenesTables::table(const char* name) const {
  return (fs::path(options_.root) / options_.version / (std::string(name) + ".json")).string();
}

void NuscenesTables::read_sensors() {
  std::unordered_map<Token, std::string, TokenHash> sensors;
  for_each_row(table("sensor"), [&](const TableRow& row) { sensors[row.token("token")] = row.text("channel"); });
  for_each_row(table("calibrated_sensor"), [&](const TableRow& row) {
    Calibration made;
    made.channel = known(channels_, find_row(sensors, row.token("sensor_token"), row, "sensor_token", "sensor.json"));
    if (made.channel >= 0) made.mount = row.pose();
    if (made.channel > 0) {
      const nlohmann::json& k = row.at("camera_intrinsic");
      check(k.is_array() && k.size() == 3, "{} has no three rows", row.where("camera_intrinsic"));
      double m[9];
      for (size_t i = 0; i < 9; ++i) {
        const nlohmann::json& line = k[i / 3];
        check(line.is_array() && line.size() == 3 && line[i % 3].is_number(),
              "{}: expected three rows of three numbers", row.where("camera_intrinsic"));
        m[i] = line[i % 3];
      }
      made.camera.fx = m[0];
      made.camera.cx = m[2];
      made.camera.fy = m[4];
      made.camera.cy = m[5];
    }
    calibrations_[row.token("token")] = made;
  });
}

void NuscenesTables::read_scenes() {
  struct Log {
    std::string location, drivable;
  };
  std::unordered_map<Token, Log, TokenHash> logs;
  for_each_row(table("log"), [&](const TableRow& row) { logs[row.token("token")].location = row.text("location"); });
  for_each_row(table("map"), [&](const TableRow& row) {
    for (const Token log : row.tokens("log_tokens"))
      if (const auto found = logs.find(log); found != logs.end()) found->second.drivable = row.text("filename");
  });
  for_each_row(table("scene"), [&](const TableRow& row) {
    const Log& log = find_row(logs, row.token("log_token"), row, "log_token", "log.json");
    const auto [at, is_new] = scene_of_.emplace(row.token("token"), static_cast<int>(scenes_.size()));
    check(is_new, "{} is there twice", row.where("token"));
    scenes_.push_back({row.text("name"), log.location, log.drivable, {}});
  });
  check(!scenes_.empty(), "{}: has no scene", table("scene"));
}

void NuscenesTables::read_samples() {
  for_each_row(table("sample"), [&](const TableRow& row) {
    SampleEntry entry{find_row(scene_of_, row.token("scene_token"), row, "scene_token", "scene.json"),
                      row.integer("timestamp"), row.text("token")};
    samples_.emplace(row.token("token"), std::move(entry));
  });
}

void NuscenesTables::read_shots() {
  pictures_.assign(scenes_.size(), std::vector<std::vector<Shot>>(channels_.size()));
  const bool with_sweeps = options_.sweep_interval > 0;
  for_each_row(table("sample_data"), [&](const TableRow& row) {
    const Token calibration = row.token("calibrated_sensor_token");
    const Calibration& sensor =
        find_row(calibrations_, calibration, row, "calibrated_sensor_token", "calibrated_sensor.json");
    const bool is_key = row.flag("is_key_frame");
    if (sensor.channel < 0 || !(is_key || with_sweeps)) return;
    Shot shot{.sample = row.token("sample_token"), .calibration = calibration, .ego_pose = row.token("ego_pose_token")};
    shot.token = row.token("token");
    shot.microseconds = row.integer("timestamp");
    shot.file = row.text("filename");
    shot.scene = find_row(samples_, shot.sample, row, "sample_token", "sample.json").scene;
    shot.is_key = is_key;
    if (sensor.channel == 0) {
      shot.name = row.text("token");
      sweeps_.push_back(std::move(shot));
      return;
    }
    shot.width = static_cast<int>(std::clamp(row.number("width"), 0.0, 1e6));
    shot.height = static_cast<int>(std::clamp(row.number("height"), 0.0, 1e6));
    pictures_[static_cast<size_t>(shot.scene)][static_cast<size_t>(sensor.channel)].push_back(std::move(shot));
  });
  const auto earlier = [](const Shot& a, const Shot& b) { return a.microseconds < b.microseconds; };
  for (auto& scene : pictures_)
    for (std::vector<Shot>& shots : scene) std::sort(shots.begin(), shots.end(), earlier);
  std::sort(sweeps_.begin(), sweeps_.end(), earlier);
}

void NuscenesTables::choose_sweeps() {
  const auto interval = static_cast<int64_t>(options_.sweep_interval * 1e6);
  std::vector<std::vector<size_t>> of_scene(scenes_.size());
  for (size_t i = 0; i < sweeps_.size(); ++i) of_scene[static_cast<size_t>(sweeps_[i].scene)].push_back(i);
  for (size_t s = 0; s < scenes_.size(); ++s) {
    const std::vector<size_t>& all = of_scene[s];
    std::vector<size_t>& chosen = scenes_[s].sweeps;
    size_t next_key = 0;
    for (size_t i = 0; i < all.size(); ++i) {
      const Shot& sweep = sweeps_[all[i]];
      while (next_key < all.size() && (next_key < i || !sweeps_[all[next_key]].is_key)) ++next_key;
      // A few milliseconds less are the sensor's own unevenness.
      constexpr int64_t kUneven = 10'000;
      const bool is_late =
          chosen.empty() || sweep.microseconds - sweeps_[chosen.back()].microseconds >= interval - kUneven;
      const bool is_early =
          next_key == all.size() || sweeps_[all[next_key]].microseconds - sweep.microseconds >= interval - kUneven;
      if (sweep.is_key || (is_late && is_early)) chosen.push_back(all[i]);
    }
    for (size_t i = 1; i < chosen.size(); ++i)
      check(sweeps_[chosen[i - 1]].microseconds + 1000 < sweeps_[chosen[i]].microseconds,
            "{}: the sweeps {} and {} of {} lie less than 1 ms apart", table("sample_data"),
            sweeps_[chosen[i - 1]].name, sweeps_[chosen[i]].name, scenes_[s].name);
  }
}

void NuscenesTables::read_poses() {
  std::unordered_set<Token, TokenHash> wanted;
  for (const Shot& sweep : sweeps_) wanted.insert(sweep.ego_pose);
  for (const auto& scene : pictures_)
    for (const auto& shots : scene)
      for (const Shot& shot : shots) wanted.insert(shot.ego_pose);
  for_each_row(table("ego_pose"), [&](const TableRow& row) {
    const Token token = row.token("token");
    if (!wanted.contains(token)) return;
    const Pose pose = row.pose();
    check_upright(pose, row.where("rotation"));
    poses_.emplace(token, pose);
  });
}

void NuscenesTables::read_annotations() {
  struct Instance {
    Token category = {};
    int64_t number = 0;
  };
  std::unordered_map<Token, Instance, TokenHash> instances;
  for_each_row(table("category"), [&](const TableRow& row) { categories_[row.token("token")] = row.text("name"); });
  for_each_row(table("attribute"), [&](const TableRow& row) { attributes_[row.token("token")] = row.text("name"); });
  for_each_row(table("instance"), [&](const TableRow& row) {
    instances[row.token("token")] = {row.token("category_token"), static_cast<int64_t>(instances.size())};
  });
  for_each_row(table("sample_annotation"), [&](const TableRow& row) {
    Annotation made{.token = row.token("token"), .before = row.token("prev"), .after = row.token("next")};
    const Token sample = row.token("sample_token");
    made.microseconds = find_row(samples_, sample, row, "sample_token", "sample.json").microseconds;
    const Instance& instance = find_row(instances, row.token("instance_token"), row, "instance_token", "instance.json");
    made.category = instance.category;
    made.track = instance.number;
    find_row(categories_, made.category, row, "instance_token", "category.json");
    const auto at = row.numbers("translation", 3), size = row.numbers("size", 3), rotation = row.numbers("rotation", 4);
    made.at = {at[0], at[1], at[2]};
    std::copy(size.begin(), size.end(), made.size.begin());
    check(std::all_of(size.begin(), size.end(), [](double v) { return v > 0 && v < 1000; }),
          "{}: expected width, length and height above 0", row.where("size"));
    row.pose();  // its rotation is one
    std::copy(rotation.begin(), rotation.end(), made.rotation.begin());
    made.num_lidar_points = static_cast<int>(std::clamp(row.number("num_lidar_pts"), 0.0, 1e9));
    for (const Token attribute : row.tokens("attribute_tokens"))
      if (attributes_.contains(attribute)) made.attribute = attribute;
    boxes_[sample].push_back(annotations_.size());
    annotations_.push_back(made);
  });
  is_annotated_ = !annotations_.empty();
  // Neighbours are found by their tokens: in order, with the samples' numbers following.
  std::vector<size_t> order(annotations_.size()), place(annotations_.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return annotations_[a].token < annotations_[b].token; });
  for (size_t i = 0; i < order.size(); ++i) place[order[i]] = i;
  std::vector<Annotation> sorted;
  sorted.reserve(order.size());
  for (const size_t i : order) sorted.push_back(annotations_[i]);
  annotations_ = std::move(sorted);
  for (auto& [sample, numbers] : boxes_)
    for (size_t& number : numbers) number = place[number];
}

const Pose& NuscenesTables::pose_of(const Shot& shot) const {
  const auto found = poses_.find(shot.ego_pose);
  check(found != poses_.end(), "{}: the ego_pose_token of {} is no token of ego_pose.json", table("sample_data"),
        printable(shot.file));
  return found->second;
}

const NuscenesTables::Shot* NuscenesTables::picture_of(const Shot& sweep, size_t channel) const {
  const std::vector<Shot>& shots = pictures_[static_cast<size_t>(sweep.scene)][channel];
  const Shot* best = nullptr;
  const auto after = std::lower_bound(shots.begin(), shots.end(), sweep.microseconds - kFarInMicroseconds,
                                      [](const Shot& shot, int64_t time) { return shot.microseconds < time; });
  for (auto shot = after; shot != shots.end() && shot->microseconds <= sweep.microseconds + kFarInMicroseconds;
       ++shot) {
    // The picture that its makers put beside the key frame goes before nearer ones.
    if (sweep.is_key && shot->is_key && shot->sample == sweep.sample) return &*shot;
    if (best == nullptr ||
        std::abs(shot->microseconds - sweep.microseconds) < std::abs(best->microseconds - sweep.microseconds))
      best = &*shot;
  }
  return best;
}

InfoBox NuscenesTables::box_of(const Annotation& annotation, const Pose& global2ego) const {
  InfoBox out{categories_.at(annotation.category), {}, {}};
  if (const auto attribute = attributes_.find(annotation.attribute); attribute != attributes_.end())
    out.attribute = attribute->second;
  const auto& q = annotation.rotation;
  const Pose pose = global2ego * pose_from_quaternion(q[0], q[1], q[2], q[3], annotation.at);
  const Vec3 at = pose.translation();
  out.box = {
      .x = at.x, .y = at.y, .z = at.z, .l = annotation.size[1], .w = annotation.size[0], .h = annotation.size[2]};
  out.box.yaw = pose.yaw();
  out.box.num_lidar_points = annotation.num_lidar_points;
  out.box.track = annotation.track;
  const auto find = [&](const Token& token) -> const Annotation* {
    if (token.empty()) return nullptr;
    const auto found = std::lower_bound(annotations_.begin(), annotations_.end(), token,
                                        [](const Annotation& a, const Token& wanted) { return a.token < wanted; });
    return found != annotations_.end() && found->token == token ? &*found : nullptr;
  };
  const Annotation *before = find(annotation.before), *after = find(annotation.after);
  const Annotation &first = before != nullptr ? *before : annotation, &last = after != nullptr ? *after : annotation;
  const double seconds = static_cast<double>(last.microseconds - first.microseconds) * 1e-6;
  const bool is_both = before != nullptr && after != nullptr;
  out.box.has_velocity = seconds > 0 && seconds < kLongestStep * (is_both ? 2 : 1);
  if (!out.box.has_velocity) return out;
  const Vec3 velocity = global2ego.rotate((last.at - first.at) * (1 / seconds));
  out.box.vx = velocity.x;
  out.box.vy = velocity.y;
  return out;
}

InfoFrame NuscenesTables::frame(const TableScene& scene, size_t sweep) const {
  const Shot& shot = sweeps_.at(sweep);
  InfoFrame out;
  out.where = fmt::format("{}: {}", table("sample_data"), printable(shot.file));
  out.key = shot.is_key ? samples_.at(shot.sample).name : shot.name;
  out.drive = scene.name;
  out.has_scene = true;
  out.timestamp = static_cast<double>(shot.microseconds) * 1e-6;
  out.ego_pose = pose_of(shot);
  out.lidar2ego = calibrations_.at(shot.calibration).mount;
  out.points = {shot.file, out.where};
  const Pose global2ego = out.ego_pose.inverse();
  for (size_t channel = 1; channel < channels_.size(); ++channel) {
    const Shot* picture = picture_of(shot, channel);
    if (picture == nullptr) continue;
    const Calibration& sensor = calibrations_.at(picture->calibration);
    InfoCamera camera{channels_[channel], {picture->file, table("sample_data")}, sensor.camera};
    camera.camera.width = picture->width;
    camera.camera.height = picture->height;
    // Where the camera was at its own moment, seen from the vehicle at the sweep's.
    camera.camera.sensor2ego = global2ego * pose_of(*picture) * sensor.mount;
    out.cameras.push_back(std::move(camera));
  }
  out.has_boxes = is_annotated_ && shot.is_key;
  if (const auto boxes = boxes_.find(shot.sample); out.has_boxes && boxes != boxes_.end())
    for (const size_t number : boxes->second) out.boxes.push_back(box_of(annotations_[number], global2ego));
  return out;
}

std::string tables_version(const std::string& root, const std::string& wanted) {
  std::vector<std::string> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(root, error))
    if (fs::is_regular_file(entry.path() / "sample_data.json")) found.push_back(entry.path().filename().string());
  std::sort(found.begin(), found.end());
  std::string all;
  for (const std::string& name : found) all += (all.empty() ? "" : ", ") + name;
  if (!wanted.empty() && known(found, wanted) < 0)
    throw UsageError(fmt::format("{}: no tables '{}', there are {}", root, wanted, all.empty() ? "none" : all));
  if (wanted.empty() && found.size() != 1)
    throw UsageError(found.empty()
                         ? fmt::format("{}: no folder with nuScenes' tables (v1.0-*/sample_data.json)", root)
                         : fmt::format("{}: several folders of tables, say which with --version: {}", root, all));
  return wanted.empty() ? found[0] : wanted;
}

std::string nuscenes_list_of(const std::string& version, const std::string& scene) {
  if (!scene.starts_with("scene-")) return "";
  const int number = std::atoi(scene.c_str() + 6);
  if (version.ends_with("-mini")) return number == 103 || number == 916 ? "val" : "train";
  if (!version.ends_with("-trainval")) return "";
  // The validation scenes of nuScenes' paper: nothing else of the set has numbers between these.
  static constexpr std::pair<int, int> kVal[] = {
      {3, 3},     {12, 18},   {35, 39},   {92, 110},  {221, 221}, {268, 278}, {329, 332}, {344, 346},
      {519, 524}, {552, 565}, {625, 638}, {770, 784}, {794, 802}, {904, 931}, {962, 972}, {1059, 1073}};
  const bool is_val = std::any_of(std::begin(kVal), std::end(kVal),
                                  [&](const auto& range) { return number >= range.first && number <= range.second; });
  return is_val ? "val" : "train";
}

}  // namespace bevgrad
