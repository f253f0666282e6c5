#include "data/import_nuscenes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>

#include "data/fresh_folder.h"
#include "data/image_codec.h"
#include "data/info_list.h"
#include "data/lmdb_store.h"
#include "data/record.h"
#include "data/record/camera.h"
#include "data/record/labels.h"
#include "data/record/number_checks.h"
#include "data/record/points.h"
#include "formats/pickle/machine.h"

namespace bevgrad {

namespace fs = std::filesystem;

namespace {

constexpr uintmax_t kMaxFileBytes = uintmax_t{256} << 20;
/// mmdetection3d's attribute numbers: cycle.with_rider, cycle.without_rider, ...
constexpr int kWithoutRider = 1;

const std::array<const char*, 10> kNuscenesClasses = {
    "car",     "truck",      "trailer",    "bus",          "construction_vehicle",
    "bicycle", "motorcycle", "pedestrian", "traffic_cone", "barrier"};

struct BoxName {
  const char* nuscenes;
  const char* ours;
};
constexpr BoxName kBoxNames[] = {
    {"car", "car"},         {"truck", "truck"},        {"trailer", "truck"},     {"construction_vehicle", "truck"},
    {"bus", "bus"},         {"pedestrian", "person"},  {"bicycle", "non_motor"}, {"motorcycle", "non_motor"},
    {"barrier", "barrier"}, {"traffic_cone", "pillar"}};

Pose pose_at(const Value& value) {
  const std::vector<double> numbers = value.as_doubles(16);
  Pose pose;
  std::copy(numbers.begin(), numbers.end(), pose.m.begin());
  check(pose.is_rigid(1e-3), "{}: not a rotation with a translation", value.where());
  return pose;
}

/// Where a file that the info names lies. Nothing outside the folder is ever opened.
std::string find_file(const std::string& folder, const std::string& sensor, const Value& name) {
  const fs::path named = name.as_string();
  const bool stays = named.is_relative() &&
                     std::none_of(named.begin(), named.end(), [](const fs::path& part) { return part == ".."; });
  check(stays && named.has_filename(), "{}: '{}' is not a relative path of a file", name.where(),
        printable(named.string()));
  const fs::path root = folder;
  for (const fs::path& candidate : {root / named, root / named.filename(), root / sensor / named.filename(),
                                    root / "samples" / sensor / named.filename()}) {
    std::error_code ignored;
    if (fs::is_regular_file(candidate, ignored)) return candidate.string();
  }
  fail("{}: {} holds no file '{}'", name.where(), folder, printable(named.string()));
}

std::string read_file(const std::string& path) {
  std::error_code error;
  const uintmax_t size = fs::file_size(path, error);
  check(!error && size <= kMaxFileBytes, "{}: {}", path,
        error ? error.message() : fmt::format("{} bytes, expected at most {}", size, kMaxFileBytes));
  std::string bytes(size, '\0');
  std::ifstream in(path, std::ios::binary);
  in.read(bytes.data(), static_cast<std::streamsize>(size));
  check(in.gcount() == static_cast<std::streamsize>(size), "{}: cannot be read", path);
  return bytes;
}

/// Names of the label numbers, from the file's metainfo or else nuScenes' own order.
std::map<int64_t, std::string> class_names(const Value& root) {
  std::map<int64_t, std::string> names;
  for (size_t i = 0; i < kNuscenesClasses.size(); ++i) names[static_cast<int64_t>(i)] = kNuscenesClasses[i];
  const auto info = root.find("metainfo");
  if (!info) return names;
  if (const auto categories = info->find("categories")) {
    names.clear();
    for (const auto& [name, number] : categories->entries()) names[number.as_int()] = name.as_string();
  } else if (const auto classes = info->contains("classes") ? info->find("classes") : info->find("CLASSES")) {
    names.clear();
    for (size_t i = 0; i < classes->size(); ++i) names[static_cast<int64_t>(i)] = classes->at(i).as_string();
  }
  return names;
}

const char* our_class(const std::map<int64_t, std::string>& names, int64_t label) {
  auto name = names.find(label);
  if (name == names.end()) return nullptr;
  for (const BoxName& pair : kBoxNames)
    if (name->second == pair.nuscenes) return pair.ours;
  return nullptr;
}

/// A cycle that a camera's annotation describes.
struct SeenCycle {
  Vec3 centre;  // ego frame
  bool without_rider = false;
};

struct Frame {
  Value info;
  std::string key;
  double timestamp = 0;
  Pose ego_pose, lidar2ego;
};

Pose camera_to_ego(const Frame& frame, const Value& image) {
  if (const auto lidar2cam = image.find("lidar2cam")) return frame.lidar2ego * pose_at(*lidar2cam).inverse();
  return pose_at(image.at("cam2ego"));
}

Camera read_calibration(const Frame& frame, const Value& image, ImageSize size) {
  const Value matrix = image.at("cam2img");
  check(matrix.size() >= 3, "{}: {} rows, expected a 3x3 matrix", matrix.where(), matrix.size());
  Camera camera;
  camera.width = static_cast<int>(size.width);
  camera.height = static_cast<int>(size.height);
  camera.fx = matrix.at(0).at(0).as_double();
  camera.cx = matrix.at(0).at(2).as_double();
  camera.fy = matrix.at(1).at(1).as_double();
  camera.cy = matrix.at(1).at(2).as_double();
  camera.sensor2ego = camera_to_ego(frame, image);
  try {
    validate(camera);
  } catch (const std::invalid_argument& error) {
    fail("{}: {}", image.where(), error.what());
  }
  return camera;
}

void import_cameras(const Frame& frame, const std::string& folder, record::Sample* out) {
  for (const auto& [name, image] : frame.info.at("images").entries()) {
    const std::string path = find_file(folder, name.as_string(), image.at("img_path"));
    std::string jpeg = read_file(path);
    const std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(jpeg.data()), jpeg.size());
    const ImageSize size = jpeg_size(bytes, path);
    decode_jpeg(bytes, size, {1, 1}, path);  // a damaged picture is noticed now
    record::Camera* camera = out->add_cameras();
    store_camera(read_calibration(frame, image, size), name.as_string(), name.as_string(), camera);
    store_jpeg(std::move(jpeg), camera);
  }
}

/// float32 [P,4] in the ego frame. Returns that are not finite are left out.
Tensor read_points(const Frame& frame, const std::string& folder) {
  const Value lidar = frame.info.at("lidar_points");
  const std::string path = find_file(folder, "LIDAR_TOP", lidar.at("lidar_path"));
  const int64_t features = lidar.at("num_pts_feats").as_int();
  check(features >= 4 && features <= 64, "{}: num_pts_feats is {}, expected 4 to 64", lidar.where(), features);
  const std::string bytes = read_file(path);
  const size_t stride = static_cast<size_t>(features) * sizeof(float);
  check(bytes.size() % stride == 0, "{}: {} bytes are not a whole number of points of {} float32 each", path,
        bytes.size(), features);
  std::vector<float> kept;
  for (size_t at = 0; at < bytes.size(); at += stride) {
    float p[4];
    std::memcpy(p, bytes.data() + at, sizeof p);
    if (!std::all_of(p, p + 4, [](float v) { return std::isfinite(v) && std::abs(v) < 1e5f; })) continue;
    const Vec3 ego = frame.lidar2ego.apply({p[0], p[1], p[2]});
    kept.insert(kept.end(), {static_cast<float>(ego.x), static_cast<float>(ego.y), static_cast<float>(ego.z),
                             std::clamp(p[3] / 255.0f, 0.0f, 1.0f)});
  }
  Tensor points = empty({static_cast<int64_t>(kept.size() / 4), 4});
  std::copy(kept.begin(), kept.end(), points.data<float>());
  return points;
}

std::vector<SeenCycle> seen_cycles(const Frame& frame) {
  std::vector<SeenCycle> cycles;
  const auto cameras = frame.info.find("cam_instances");
  if (!cameras) return cycles;
  for (const auto& [camera, instances] : cameras->entries()) {
    const auto image = frame.info.at("images").find(camera.as_string());
    if (!image) continue;
    const Pose camera2ego = camera_to_ego(frame, *image);
    for (size_t i = 0; i < instances.size(); ++i) {
      const auto attribute = instances.at(i).find("attr_label");
      const auto box = instances.at(i).find("bbox_3d");
      if (!attribute || !box || attribute->as_int() > kWithoutRider || attribute->as_int() < 0) continue;
      const std::vector<double> b = box->as_doubles();
      if (b.size() < 3) continue;
      cycles.push_back({camera2ego.apply({b[0], b[1], b[2]}), attribute->as_int() == kWithoutRider});
    }
  }
  return cycles;
}

bool is_without_rider(const Box3d& box, const std::vector<SeenCycle>& cycles) {
  for (const SeenCycle& cycle : cycles)
    if (norm(cycle.centre - Vec3{box.x, box.y, box.z}) < 1.0) return cycle.without_rider;
  return box.has_velocity && std::hypot(box.vx, box.vy) < 0.3;
}

Box3d read_box(const Frame& frame, const Value& instance) {
  const Value numbers = instance.at("bbox_3d");
  const std::vector<double> b = numbers.as_doubles();
  check(b.size() >= 7 && std::all_of(b.begin(), b.begin() + 7, [](double v) { return std::isfinite(v); }),
        "{}: expected 7 finite numbers (x, y, z, length, width, height, yaw)", numbers.where());
  const Vec3 centre = frame.lidar2ego.apply({b[0], b[1], b[2]});
  const Vec3 heading = frame.lidar2ego.rotate({std::cos(b[6]), std::sin(b[6]), 0});
  Box3d box{.x = centre.x,
            .y = centre.y,
            .z = centre.z,
            .l = b[3],
            .w = b[4],
            .h = b[5],
            .yaw = std::atan2(heading.y, heading.x),
            .has_velocity = false};
  if (const auto velocity = instance.find("velocity")) {
    const std::vector<double> v = velocity->as_doubles(2);
    box.has_velocity = std::isfinite(v[0]) && std::isfinite(v[1]);
    if (box.has_velocity) {
      const Vec3 ego = frame.lidar2ego.rotate({v[0], v[1], 0});
      box.vx = ego.x;
      box.vy = ego.y;
    }
  }
  if (const auto points = instance.find("num_lidar_pts"))
    box.num_lidar_points = static_cast<int>(std::clamp<int64_t>(points->as_int(), 0, 1 << 30));
  return box;
}

Labels read_boxes(const Frame& frame, const std::map<int64_t, std::string>& names, const LabelSchema& schema,
                  ImportReport& report) {
  Labels labels;
  labels.has_boxes = true;
  const auto instances = frame.info.find("instances");
  if (!instances) return labels;
  const std::vector<SeenCycle> cycles = seen_cycles(frame);
  for (size_t i = 0; i < instances->size(); ++i) {
    const Value instance = instances->at(i);
    const char* ours = our_class(names, instance.at("bbox_label_3d").as_int());
    if (ours == nullptr) {
      ++report.boxes_left_out;
      continue;
    }
    Box3d box = read_box(frame, instance);
    if (std::strcmp(ours, "non_motor") == 0 && is_without_rider(box, cycles)) ours = "riderless_non_motor";
    const auto at = std::find(schema.dynamic_classes.begin(), schema.dynamic_classes.end(), ours);
    box.class_id = static_cast<int>(at - schema.dynamic_classes.begin());
    labels.boxes.push_back(box);
    ++report.boxes;
  }
  return labels;
}

std::string key_of(const Value& info, size_t index) {
  if (const auto token = info.find("token"); token && token->is_string()) {
    const std::string& text = token->as_string();
    const bool plain = std::all_of(text.begin(), text.end(), [](unsigned char c) { return c > 32 && c < 127; });
    check(plain && !text.empty() && text.size() <= 200, "{}: expected 1 to 200 printable characters", token->where());
    return text;
  }
  return fmt::format("{:06}", index);
}

std::vector<Frame> read_frames(const Value& root, const std::string& path) {
  check(root.is_mapping() && root.contains("data_list"),
        "{}: no 'data_list': expected an info file of mmdetection3d 1.x (its "
        "tools/dataset_converters/update_infos_to_v2.py "
        "converts older ones)",
        path);
  const Value list = root.at("data_list");
  check(list.is_sequence() && list.size() > 0, "{}: expected a list of frames", list.where());
  std::vector<Frame> frames;
  for (size_t i = 0; i < list.size(); ++i) {
    const Value info = list.at(i);
    Frame frame{info, key_of(info, i), info.at("timestamp").as_double(), pose_at(info.at("ego2global")),
                pose_at(info.at("lidar_points").at("lidar2ego"))};
    check(std::isfinite(frame.timestamp), "{}: the timestamp is {}", info.where(), frame.timestamp);
    frames.push_back(std::move(frame));
  }
  std::stable_sort(frames.begin(), frames.end(),
                   [](const Frame& a, const Frame& b) { return a.timestamp < b.timestamp; });
  return frames;
}

std::string encode(const Frame& frame, int64_t sequence, const ImportOptions& options,
                   const std::map<int64_t, std::string>& names, ImportReport& report) {
  const LabelSchema schema;
  record::Sample out;
  out.set_sequence(sequence);
  out.set_timestamp(frame.timestamp);
  out.set_key(frame.key);
  store_pose(frame.ego_pose, out.mutable_ego_pose());
  store_labels(read_boxes(frame, names, schema, report), schema, out.mutable_labels());
  store_points(read_points(frame, options.images), {}, out.mutable_points());
  import_cameras(frame, options.images, &out);
  return out.SerializeAsString();
}

}  // namespace

ImportReport import_nuscenes(const std::string& folder, const ImportOptions& options) {
  if (!fs::is_regular_file(options.info))
    throw UsageError(fmt::format("{}: no such file, expected an info pickle", options.info));
  if (!fs::is_directory(options.images))
    throw UsageError(fmt::format("{}: no such folder, expected the pictures and LiDAR files", options.images));
  const Value root = read_pickle(options.info);
  const std::vector<Frame> frames = read_frames(root, options.info);
  const std::map<int64_t, std::string> names = class_names(root);

  FreshFolder out(folder);
  LmdbWriter writer(out / "lmdb/frames");
  ImportReport report;
  std::vector<std::string> keys;
  for (size_t i = 0; i < frames.size(); ++i) {
    if (i == 0 || frames[i].timestamp - frames[i - 1].timestamp > options.new_sequence_after) ++report.sequences;
    writer.put(frames[i].key, encode(frames[i], report.sequences - 1, options, names, report));
    keys.push_back(frames[i].key);
    ++report.frames;
  }
  writer.finish();
  write_lines(out / "lmdb.txt", {"lmdb/frames"});
  write_lines(out / "all.txt", keys);
  out.appear();
  return report;
}

}  // namespace bevgrad
