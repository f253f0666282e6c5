#include "data/nuscenes/info.h"

#include <cmath>
#include <filesystem>
#include <numbers>

#include "data/nuscenes/info_parts.h"
#include "formats/pickle/pickle_file.h"
#include "tensor/error.h"

namespace bevgrad {
namespace {

Pose checked(const Pose& pose, const std::string& where) {
  check(pose.is_rigid(1e-3), "{}: not a rotation with a translation", where);
  return pose;
}

bool is_vehicle(const std::string& label) {
  for (const char* name : {"car", "truck", "trailer", "bus", "construction_vehicle"})
    if (label == name) return true;
  return false;
}

/// Turns boxes of before mmdetection3d 1.0 into today's; gives false where they are so already.
bool modernise_boxes(std::vector<InfoFrame>& frames) {
  constexpr double kQuarter = std::numbers::pi / 2;
  int64_t wider = 0, longer = 0;
  for (const InfoFrame& frame : frames)
    for (const InfoBox& box : frame.boxes)
      if (is_vehicle(box.label)) ++(box.box.w > box.box.l ? wider : longer);
  if (wider <= longer) return false;
  for (InfoFrame& frame : frames) {
    for (InfoBox& box : frame.boxes) {
      std::swap(box.box.l, box.box.w);
      // The old yaw is -yaw - pi/2 in the LiDAR's frame.
      const Vec3 old = frame.lidar2ego.inverse().rotate({std::cos(box.box.yaw), std::sin(box.box.yaw), 0});
      const double yaw = -std::atan2(old.y, old.x) - kQuarter;
      const Vec3 heading = frame.lidar2ego.rotate({std::cos(yaw), std::sin(yaw), 0});
      box.box.yaw = std::atan2(heading.y, heading.x);
    }
  }
  return true;
}

}  // namespace

Pose info_matrix(const Value& matrix) {
  const std::vector<double> numbers = matrix.as_doubles();
  check(numbers.size() == 16 || numbers.size() == 12, "{}: {} numbers, expected a 4x4 matrix", matrix.where(),
        numbers.size());
  Pose pose;
  std::copy(numbers.begin(), numbers.end(), pose.m.begin());
  return checked(pose, matrix.where());
}

Pose info_pose(const Value& rotation, const Value& translation) {
  const std::vector<double> r = rotation.as_doubles(), t = translation.as_doubles(3);
  Pose pose;
  if (r.size() == 9) {
    for (size_t i = 0; i < 9; ++i) pose.m[i / 3 * 4 + i % 3] = r[i];
  } else {
    check(r.size() == 4, "{}: {} numbers, expected a quaternion (w, x, y, z) or a 3x3 matrix", rotation.where(),
          r.size());
    const double length = std::sqrt(r[0] * r[0] + r[1] * r[1] + r[2] * r[2] + r[3] * r[3]);
    check(std::abs(length - 1) < 1e-2, "{}: a quaternion of length {}, expected 1", rotation.where(), length);
    const double w = r[0] / length, x = r[1] / length, y = r[2] / length, z = r[3] / length;
    pose.m = {1 - 2 * (y * y + z * z),
              2 * (x * y - w * z),
              2 * (x * z + w * y),
              0,
              2 * (x * y + w * z),
              1 - 2 * (x * x + z * z),
              2 * (y * z - w * x),
              0,
              2 * (x * z - w * y),
              2 * (y * z + w * x),
              1 - 2 * (x * x + y * y),
              0,
              0,
              0,
              0,
              1};
  }
  for (size_t i = 0; i < 3; ++i) pose.m[i * 4 + 3] = t[i];
  return checked(pose, rotation.where());
}

Camera info_intrinsics(const Value& matrix) {
  const std::vector<double> numbers = matrix.as_doubles();
  check(numbers.size() == 9 || numbers.size() == 12 || numbers.size() == 16, "{}: {} numbers, expected a 3x3 matrix",
        matrix.where(), numbers.size());
  const size_t columns = numbers.size() == 9 ? 3 : 4;
  Camera camera;
  camera.fx = numbers[0];
  camera.cx = numbers[2];
  camera.fy = numbers[columns + 1];
  camera.cy = numbers[columns + 2];
  return camera;
}

double info_timestamp(const Value& frame) {
  const Value stamp = frame.at("timestamp");
  const double value = stamp.as_double();
  check(std::isfinite(value), "{}: {} is no time", stamp.where(), value);
  return value;
}

InfoFile info_file(const Value& name) {
  return {name.as_string(), name.where()};
}

std::string info_key(const Value& frame, size_t index) {
  const auto token = frame.find("token");
  if (!token || !token->is_string()) return fmt::format("{:06}", index);
  const std::string& text = token->as_string();
  const bool plain = std::all_of(text.begin(), text.end(), [](unsigned char c) { return c > 32 && c < 127; });
  check(plain && !text.empty() && text.size() <= 200, "{}: expected 1 to 200 printable characters", token->where());
  return text;
}

void find_drive(const Value& frame, InfoFrame* out) {
  for (const char* field : {"scene_token", "scene_name"}) {
    const auto scene = frame.find(field);
    if (!scene || !scene->is_string() || scene->as_string().empty()) continue;
    out->drive = scene->as_string();
    out->has_scene = true;
    return;
  }
  // nuScenes' files are called <log>__<sensor>__<microseconds>.
  const std::string file = std::filesystem::path(out->points.name).filename().string();
  const size_t end = file.find("__");
  out->drive = end == std::string::npos ? "" : file.substr(0, end);
}

Box3d info_box(const Pose& lidar2ego, std::span<const double> b, std::span<const double> velocity,
               const std::string& where) {
  check(b.size() >= 7 && std::all_of(b.begin(), b.begin() + 7, [](double v) { return std::isfinite(v); }),
        "{}: expected 7 finite numbers (x, y, z, length, width, height, yaw)", where);
  check(b[3] > 0 && b[4] > 0 && b[5] > 0, "{}: a box of {} x {} x {} m, expected a positive size", where, b[3], b[4],
        b[5]);
  const Vec3 centre = lidar2ego.apply({b[0], b[1], b[2]});
  const Vec3 heading = lidar2ego.rotate({std::cos(b[6]), std::sin(b[6]), 0});
  Box3d box{.x = centre.x,
            .y = centre.y,
            .z = centre.z,
            .l = b[3],
            .w = b[4],
            .h = b[5],
            .yaw = std::atan2(heading.y, heading.x),
            .has_velocity = false};
  box.has_velocity = velocity.size() >= 2 && std::isfinite(velocity[0]) && std::isfinite(velocity[1]);
  if (box.has_velocity) {
    const Vec3 ego = lidar2ego.rotate({velocity[0], velocity[1], 0});
    box.vx = ego.x;
    box.vy = ego.y;
  }
  return box;
}

InfoFrames read_nuscenes_infos(const std::string& path) {
  const Value root = read_pickle(path);
  const bool is_v2 = root.is_mapping() && root.contains("data_list");
  const bool is_v1 = !is_v2 && (root.is_sequence() || (root.is_mapping() && root.contains("infos")));
  check(is_v1 || is_v2,
        "{}: neither 'data_list' nor 'infos' nor a list of frames: expected an info file of mmdetection3d", path);
  const Value list = is_v2 ? root.at("data_list") : root.is_sequence() ? root : root.at("infos");
  check(list.is_sequence() && list.size() > 0, "{}: expected a list of frames", list.where());
  const std::map<int64_t, std::string> names = is_v2 ? info_v2_names(root) : std::map<int64_t, std::string>();
  InfoFrames read;
  for (size_t i = 0; i < list.size(); ++i)
    read.frames.push_back(is_v2 ? read_info_v2(list.at(i), i, names) : read_info_v1(list.at(i), i));
  read.had_old_boxes = modernise_boxes(read.frames);
  return read;
}

}  // namespace bevgrad
