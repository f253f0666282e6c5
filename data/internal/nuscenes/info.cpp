#include "internal/nuscenes/info.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "base/error.h"
#include "formats/pickle/pickle_file.h"
#include "internal/nuscenes/info_parts.h"
#include "internal/poses.h"

namespace bevgrad {
namespace {

Pose checked(const Pose& pose, const std::string& where) {
  check(pose.is_rigid(1e-3), "{}: not a rotation with a translation", where);
  return pose;
}

/// Seconds between frames of one drive below which their unit must be another.
constexpr double kSameMoment = 1e-3;
/// Brings frames that lie closer than any sensor takes them to seconds, or throws.
void settle_times(InfoFrames& read, double own_unit) {
  std::map<std::string, std::vector<const InfoFrame*>> drives;
  for (const InfoFrame& frame : read.frames) drives[frame.drive].push_back(&frame);
  size_t pairs = 0, close = 0;
  std::pair<const InfoFrame*, const InfoFrame*> example;
  for (auto& [drive, frames] : drives) {
    std::sort(frames.begin(), frames.end(),
              [](const InfoFrame* a, const InfoFrame* b) { return a->timestamp < b->timestamp; });
    for (size_t i = 1; i < frames.size(); ++i) {
      const double step = frames[i]->timestamp - frames[i - 1]->timestamp;
      pairs += step > 0;
      if (!(step > 0 && step < kSameMoment)) continue;
      if (close++ == 0) example = {frames[i - 1], frames[i]};
    }
  }
  if (close == 0) return;
  const bool are_seconds =
      own_unit < 1 && 2 * close > pairs &&
      std::all_of(read.frames.begin(), read.frames.end(), [](const InfoFrame& frame) { return frame.unit_is_assumed; });
  check(are_seconds, "{} and {} are {:.3g} s apart, expected {} s or more: in which unit is 'timestamp'?",
        example.first->where, example.second->where, example.second->timestamp - example.first->timestamp, kSameMoment);
  for (InfoFrame& frame : read.frames) frame.timestamp /= own_unit;
  read.had_seconds = true;
}

/// What others add to an info, which nothing here reads.
std::vector<std::string> unread_labels(const Value& frame) {
  std::vector<std::string> unread;
  if (frame.is_mapping() && frame.contains("annotation") && !info_map(frame, {})) unread.push_back("annotation");
  for (const char* name : {"map_annos", "map_gt", "occ_path", "lidarseg"})
    if (frame.is_mapping() && frame.contains(name)) unread.push_back(name);
  return unread;
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
    pose = pose_from_quaternion(r[0], r[1], r[2], r[3], {});
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

void read_timestamp(const Value& frame, double unit, InfoFrame* out) {
  const Value stamp = frame.at("timestamp");
  const double value = stamp.as_double();
  check(std::isfinite(value), "{}: {} is no time", stamp.where(), value);
  const double size = std::abs(value);
  out->unit_is_assumed = size <= 1e11;
  out->timestamp = value * (size > 1e17 ? 1e-9 : size > 1e14 ? 1e-6 : size > 1e11 ? 1e-3 : unit);
}

InfoFile info_file(const Value& name) {
  std::string path = name.as_string();
  std::replace(path.begin(), path.end(), '\\', '/');
  return {std::move(path), name.where()};
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
  if (const auto place = frame.find("map_location"); place && place->is_string()) out->place = place->as_string();
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
  settle_times(read, is_v2 ? 1 : 1e-6);
  read.unread = unread_labels(list.at(0));
  return read;
}

}  // namespace bevgrad
