#include "internal/kitti/files.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <numbers>

#include "base/error.h"
#include "base/text.h"
#include "internal/clouds/cloud_file.h"
#include "internal/clouds/rows.h"
#include "internal/limited_file.h"

namespace bevgrad {

namespace fs = std::filesystem;

namespace {

constexpr uint64_t kMostTextBytes = uint64_t{64} << 20;
constexpr double kEarthRadius = 6378137;  // metres, as KITTI's own Mercator projection has it

double number_in(const std::string& word, const std::string& where) {
  double value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  check(error == std::errc() && end == word.data() + word.size() && std::isfinite(value),
        "{}: '{}' is no finite number", where, printable(word, 40));
  return value;
}

/// The lines of a text with their places, "file:line".
template <class Use>
void for_each_line_or_gap(const std::string& path, Use use) {
  const std::string text = read_limited_file(path, kMostTextBytes);
  std::string_view rest = text;
  for (int number = 1; !rest.empty(); ++number)
    use(cloud_words(next_cloud_line(rest)), fmt::format("{}:{}", path, number));
}

/// The same without the empty ones.
template <class Use>
void for_each_line(const std::string& path, Use use) {
  for_each_line_or_gap(path, [&](const std::vector<std::string>& words, const std::string& where) {
    if (!words.empty()) use(words, where);
  });
}

}  // namespace

std::map<std::string, std::vector<double>> read_kitti_calibration(const std::string& path) {
  std::map<std::string, std::vector<double>> out;
  for_each_line(path, [&](const std::vector<std::string>& words, const std::string& where) {
    std::string name = words[0];
    if (name.ends_with(':')) name.pop_back();
    std::vector<double> numbers;
    if (name == "calib_time") return;
    for (size_t i = 1; i < words.size(); ++i) numbers.push_back(number_in(words[i], where));
    out[name] = std::move(numbers);
  });
  check(!out.empty(), "{}: holds no calibration", path);
  return out;
}

Pose kitti_lidar2ego() {
  Pose pose;
  pose.m[3] = 0.81;
  pose.m[11] = 1.73;
  return pose;
}

Pose kitti_pose(const std::vector<double>& rows, const std::string& where) {
  check(rows.size() == 12, "{} has {} numbers, expected 12", where, rows.size());
  Pose pose;
  std::copy(rows.begin(), rows.end(), pose.m.begin());
  check(pose.is_rigid(1e-3), "{} is not a rotation with a translation", where);
  return pose;
}

Pose kitti_pose(const std::vector<double>& rotation, const std::vector<double>& translation, const std::string& where) {
  check(rotation.size() == 9 && translation.size() == 3, "{}: {} and {} numbers, expected 9 and 3", where,
        rotation.size(), translation.size());
  std::vector<double> rows;
  for (size_t i = 0; i < 3; ++i) {
    rows.insert(rows.end(), rotation.begin() + static_cast<std::ptrdiff_t>(3 * i),
                rotation.begin() + static_cast<std::ptrdiff_t>(3 * i + 3));
    rows.push_back(translation[i]);
  }
  return kitti_pose(rows, where);
}

Camera kitti_camera(const std::vector<double>& p, const Pose& lidar2rectified, const std::string& where) {
  check(p.size() == 12, "{} has {} numbers, expected 12", where, p.size());
  check(p[0] > 0 && p[5] > 0 && std::abs(p[1]) < 1e-6 && std::abs(p[10] - 1) < 1e-6,
        "{}: expected the projection of a rectified camera", where);
  Camera camera;
  camera.fx = p[0];
  camera.cx = p[2];
  camera.fy = p[5];
  camera.cy = p[6];
  // The last column is K times the way from the rectified frame to the camera's own.
  Pose rectified2camera;
  rectified2camera.m[11] = p[11];
  rectified2camera.m[3] = (p[3] - camera.cx * p[11]) / camera.fx;
  rectified2camera.m[7] = (p[7] - camera.cy * p[11]) / camera.fy;
  camera.sensor2ego = kitti_lidar2ego() * (rectified2camera * lidar2rectified).inverse();
  return camera;
}

std::vector<KittiBox> read_kitti_labels(const std::string& path, const Pose& rectified2ego) {
  std::vector<KittiBox> boxes;
  for_each_line(path, [&](const std::vector<std::string>& words, const std::string& where) {
    check(words.size() == 15 || words.size() == 16, "{}: {} words, expected 15 (and a score)", where, words.size());
    if (words[0] == "DontCare") return;
    double v[15] = {};
    for (size_t i = 1; i < 15; ++i) v[i] = number_in(words[i], where);
    check(v[8] > 0 && v[9] > 0 && v[10] > 0, "{}: a size of {} x {} x {} m, expected more than 0", where, v[8], v[9],
          v[10]);
    KittiBox made{words[0], {}};
    Box3d& box = made.box;
    box.h = v[8];
    box.w = v[9];
    box.l = v[10];
    // The middle of the underside, in a frame whose y axis points down.
    const Vec3 at = rectified2ego.apply({v[11], v[12] - box.h / 2, v[13]});
    const Vec3 ahead = rectified2ego.rotate({std::cos(v[14]), 0, -std::sin(v[14])});
    box.x = at.x;
    box.y = at.y;
    box.z = at.z;
    box.yaw = std::atan2(ahead.y, ahead.x);
    box.has_velocity = false;
    boxes.push_back(std::move(made));
  });
  return boxes;
}

std::vector<std::optional<double>> read_kitti_times(const std::string& path) {
  std::vector<std::optional<double>> times;
  for_each_line_or_gap(path, [&](const std::vector<std::string>& words, const std::string& where) {
    if (words.empty()) return times.emplace_back(), void();
    int year = 0, month = 0, day = 0, hour = 0, minute = 0;
    double second = 0;
    const bool is_time = words.size() == 2 && std::sscanf(words[0].c_str(), "%d-%d-%d", &year, &month, &day) == 3 &&
                         std::sscanf(words[1].c_str(), "%d:%d:%lf", &hour, &minute, &second) == 3;
    const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                           std::chrono::day(static_cast<unsigned>(day))};
    check(is_time && date.ok() && std::isfinite(second), "{}: expected a time like 2011-09-26 13:02:25.967790592",
          where);
    const auto days = std::chrono::sys_days(date).time_since_epoch().count();
    times.push_back(static_cast<double>(days) * 86400 + hour * 3600.0 + minute * 60.0 + second);
  });
  return times;
}

std::vector<Pose> read_kitti_poses(const std::string& drive, const Pose& imu2ego) {
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(fs::path(drive) / "oxts/data", error))
    if (entry.path().extension() == ".txt") files.push_back(entry.path().string());
  check(!files.empty(), "{}: holds no oxts/data/*.txt, expected the drive's poses", drive);
  std::sort(files.begin(), files.end());
  std::vector<Pose> poses;
  double scale = 0;
  const Pose ego2imu = imu2ego.inverse();
  Vec3 origin;
  for (const std::string& file : files)
    for_each_line(file, [&](const std::vector<std::string>& words, const std::string& where) {
      check(words.size() >= 6, "{}: {} numbers, expected latitude, longitude, altitude, roll, pitch, yaw and more",
            where, words.size());
      double v[6];
      for (size_t i = 0; i < 6; ++i) v[i] = number_in(words[i], where);
      check(std::abs(v[0]) < 89 && std::abs(v[1]) <= 180, "{}: latitude {} and longitude {}, expected degrees", where,
            v[0], v[1]);
      constexpr double kRadians = std::numbers::pi / 180;
      if (poses.empty()) scale = std::cos(v[0] * kRadians);
      const Vec3 at{scale * kEarthRadius * v[1] * kRadians,
                    scale * kEarthRadius * std::log(std::tan((90 + v[0]) * kRadians / 2)), v[2]};
      Pose pose = Pose::from_angles(at, v[5], v[4], v[3]) * ego2imu;
      if (poses.empty()) origin = pose.translation();
      const Vec3 moved = pose.translation() - origin;
      pose.m[3] = moved.x;
      pose.m[7] = moved.y;
      pose.m[11] = moved.z;
      poses.push_back(pose);
    });
  return poses;
}

Tensor read_kitti_points(const std::string& path) {
  const CloudFile cloud = read_cloud_file(path, {"x", "y", "z", "intensity"});
  const Pose to_ego = kitti_lidar2ego();
  Tensor points = empty({static_cast<int64_t>(cloud.points.size()), 4});
  float* out = points.data<float>();
  for (size_t i = 0; i < cloud.points.size(); ++i) {
    const auto& [x, y, z, intensity] = cloud.points[i];
    check(std::abs(x) < 1e4 && std::abs(y) < 1e4 && std::abs(z) < 1e4 && intensity >= 0 && intensity <= 1,
          "{}: point {} is {} {} {} with intensity {}, expected metres and 0 to 1", path, i, x, y, z, intensity);
    const Vec3 local = to_ego.apply({x, y, z});
    for (const double value : {local.x, local.y, local.z, intensity}) *out++ = static_cast<float>(value);
  }
  return points;
}

}  // namespace bevgrad
