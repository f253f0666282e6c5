#include "internal/argoverse2/log.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>

#include "base/error.h"
#include "base/text.h"
#include "formats/arrow/table.h"
#include "internal/poses.h"

namespace bevgrad {

namespace fs = std::filesystem;

namespace {

/// Times that the files of a folder are named after, rising.
std::vector<int64_t> times_in(const fs::path& folder, const std::string& extension) {
  std::vector<int64_t> times;
  std::error_code ignored;
  for (const auto& file : fs::directory_iterator(folder, ignored)) {
    if (file.path().extension() != extension) continue;
    const std::string stem = file.path().stem().string();
    int64_t time = 0;
    const auto [end, error] = std::from_chars(stem.data(), stem.data() + stem.size(), time);
    check(error == std::errc() && end == stem.data() + stem.size() && time >= 0,
          "{}: its name is no time in nanoseconds", printable(file.path().string(), 4096));
    times.push_back(time);
  }
  std::sort(times.begin(), times.end());
  return times;
}

/// Poses in the rows of a table: qw, qx, qy, qz, tx_m, ty_m, tz_m.
std::vector<Pose> poses_of(const ArrowTable& table, const std::string& path) {
  std::vector<double> columns[7];
  const char* const names[7] = {"qw", "qx", "qy", "qz", "tx_m", "ty_m", "tz_m"};
  for (int i = 0; i < 7; ++i) columns[i] = table.floats(names[i]);
  std::vector<Pose> poses;
  for (size_t row = 0; row < columns[0].size(); ++row) {
    double v[7];
    for (int i = 0; i < 7; ++i) {
      v[i] = columns[i][row];
      check(std::isfinite(v[i]), "{}: row {}: {} is {}, expected a finite number", path, row, names[i], v[i]);
    }
    const double length = std::sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2] + v[3] * v[3]);
    check(std::abs(length - 1) < 1e-2, "{}: row {}: a quaternion of length {}, expected 1", path, row, length);
    poses.push_back(pose_from_quaternion(v[0], v[1], v[2], v[3], {v[4], v[5], v[6]}));
  }
  return poses;
}

std::string join(const std::string& folder, const char* file) {
  return (fs::path(folder) / file).string();
}

void read_sensors(Av2Log& log) {
  const std::string path = join(log.folder, "calibration/intrinsics.feather");
  const std::string mounts_path = join(log.folder, "calibration/egovehicle_SE3_sensor.feather");
  std::map<std::string, std::vector<int64_t>> pictures;
  std::error_code ignored;
  for (const auto& folder : fs::directory_iterator(fs::path(log.folder) / "sensors/cameras", ignored))
    if (std::vector<int64_t> times = times_in(folder.path(), ".jpg"); !times.empty())
      pictures[folder.path().filename().string()] = std::move(times);
  if (pictures.empty() && !fs::exists(mounts_path)) return;
  const ArrowTable mounts = ArrowTable::read(mounts_path);
  const std::vector<Pose> poses = poses_of(mounts, mounts_path);
  const std::vector<std::string>& sensors = mounts.texts("sensor_name");
  if (const auto lidar = std::find(sensors.begin(), sensors.end(), "up_lidar"); lidar != sensors.end())
    log.lidar = poses[static_cast<size_t>(lidar - sensors.begin())].translation();
  if (pictures.empty()) return;
  const ArrowTable intrinsics = ArrowTable::read(path);
  const std::vector<std::string>& names = intrinsics.texts("sensor_name");
  const char* const fields[] = {"fx_px", "fy_px", "cx_px", "cy_px", "k1", "k2", "k3", "width_px", "height_px"};
  std::vector<std::vector<double>> values;
  for (const char* field : fields) values.push_back(intrinsics.floats(field));
  for (auto& [name, times] : pictures) {
    const auto at = std::find(names.begin(), names.end(), name),
               mount = std::find(sensors.begin(), sensors.end(), name);
    check(at != names.end(), "{}: has no camera '{}', which has pictures", path, printable(name));
    check(mount != sensors.end(), "{}: has no sensor '{}', which has pictures", mounts_path, printable(name));
    const auto row = static_cast<size_t>(at - names.begin());
    Av2Camera camera;
    Camera& c = camera.camera;
    c.fx = values[0][row], c.fy = values[1][row], c.cx = values[2][row], c.cy = values[3][row];
    c.distortion = {values[4][row], values[5][row], 0, 0, values[6][row]};
    c.width = static_cast<int>(std::clamp(values[7][row], 0.0, 1e5));
    c.height = static_cast<int>(std::clamp(values[8][row], 0.0, 1e5));
    c.sensor2ego = poses[static_cast<size_t>(mount - sensors.begin())];
    try {
      validate(c);
    } catch (const std::invalid_argument& error) {
      fail("{}: camera '{}': {}", path, printable(name), error.what());
    }
    camera.images = std::move(times);
    log.cameras[name] = std::move(camera);
  }
}

void read_cuboids(Av2Log& log) {
  const std::string path = join(log.folder, "annotations.feather");
  if (!fs::exists(path)) return;
  log.has_boxes = true;
  const ArrowTable table = ArrowTable::read(path);
  const std::vector<Pose> poses = poses_of(table, path);
  const std::vector<int64_t>& times = table.integers("timestamp_ns");
  const std::vector<std::string>&categories = table.texts("category"), &tracks = table.texts("track_uuid");
  const std::vector<double> length = table.floats("length_m"), width = table.floats("width_m"),
                            height = table.floats("height_m");
  std::vector<double> points;
  if (table.has("num_interior_pts")) points = table.floats("num_interior_pts");
  for (size_t i = 0; i < times.size(); ++i) {
    check(length[i] > 0 && width[i] > 0 && height[i] > 0 && length[i] < 1e3 && width[i] < 1e3 && height[i] < 1e3,
          "{}: row {}: a box of {} x {} x {} m", path, i, length[i], width[i], height[i]);
    const Vec3 at = poses[i].translation();
    Box3d box{.x = at.x,
              .y = at.y,
              .z = at.z,
              .l = length[i],
              .w = width[i],
              .h = height[i],
              .yaw = poses[i].yaw(),
              .has_velocity = false};
    if (!points.empty() && points[i] >= 0 && points[i] < 1e9) box.num_lidar_points = static_cast<int>(points[i]);
    log.boxes[times[i]].push_back({categories[i], tracks[i], box});
  }
}

/// Numbers the tracks, and takes velocities over the sweeps before and after one, where they hold the same track within
/// a second.
void follow_tracks(Av2Log& log) {
  struct Place {
    int64_t time;
    Vec3 at;
    Av2Box* box;
  };
  std::map<std::string, std::vector<Place>> tracks;
  for (auto& [time, boxes] : log.boxes) {
    const Pose ego2city = log.pose_at(time);
    for (Av2Box& box : boxes)
      tracks[box.track].push_back({time, ego2city.apply({box.box.x, box.box.y, box.box.z}), &box});
  }
  int64_t number = 0;
  for (auto& [track, places] : tracks) {
    for (const Place& place : places) place.box->box.track = number;
    ++number;
    for (size_t i = 0; i < places.size(); ++i) {
      const Place &before = places[i > 0 ? i - 1 : i], &after = places[i + 1 < places.size() ? i + 1 : i];
      const double seconds = static_cast<double>(after.time - before.time) * 1e-9;
      if (!(seconds > 0 && seconds < 1)) continue;
      const Vec3 city = (after.at - before.at) * (1 / seconds);
      const Vec3 ego = log.pose_at(places[i].time).inverse().rotate(city);
      Box3d& box = places[i].box->box;
      box.has_velocity = true;
      box.vx = ego.x;
      box.vy = ego.y;
    }
  }
}

/// "PIT" of log_map_archive_<log>____PIT_city_<number>.json; nothing of names of another form.
std::string city_in(const std::string& name) {
  const size_t end = name.rfind("_city_"), begin = name.rfind('_', end == std::string::npos ? end : end - 1);
  return end == std::string::npos || begin == std::string::npos || end == 0 ? ""
                                                                            : name.substr(begin + 1, end - begin - 1);
}

void read_map(Av2Log& log) {
  std::string map, heights, placement;
  std::error_code ignored;
  for (const auto& file : fs::directory_iterator(fs::path(log.folder) / "map", ignored)) {
    const std::string name = file.path().filename().string(), path = file.path().string();
    if (name.starts_with("log_map_archive_") && name.ends_with(".json")) {
      map = path;
      log.city = city_in(name);
    }
    if (name.find("ground_height_surface") != std::string::npos && name.ends_with(".npy")) heights = path;
    if (name.ends_with("img_Sim2_city.json")) placement = path;
  }
  if (!map.empty()) log.map = read_av2_map(map);
  if (!heights.empty() && !placement.empty()) log.ground = std::make_unique<Av2GroundHeight>(heights, placement);
}

}  // namespace

Pose Av2Log::pose_at(int64_t nanoseconds) const {
  const auto after = poses.lower_bound(nanoseconds);
  check(after != poses.end() && (after != poses.begin() || after->first == nanoseconds),
        "{}: city_SE3_egovehicle.feather: no pose at {} ns", folder, nanoseconds);
  if (after->first == nanoseconds) return after->second;
  const auto before = std::prev(after);
  const double share =
      static_cast<double>(nanoseconds - before->first) / static_cast<double>(after->first - before->first);
  return interpolate(before->second, after->second, share);
}

Av2Log read_av2_log(const std::string& folder) {
  if (!fs::is_directory(folder))
    throw UsageError(fmt::format("{}: no such folder, expected a log of Argoverse 2", folder));
  Av2Log log;
  log.folder = folder;
  fs::path path = fs::path(folder).lexically_normal();
  log.name = (path.has_filename() ? path : path.parent_path()).filename().string();
  const std::string poses_path = join(folder, "city_SE3_egovehicle.feather");
  const ArrowTable table = ArrowTable::read(poses_path);
  const std::vector<Pose> poses = poses_of(table, poses_path);
  const std::vector<int64_t>& times = table.integers("timestamp_ns");
  for (size_t i = 0; i < poses.size(); ++i) {
    check(poses[i].at(2, 2) > 0.5, "{}: row {}: the vehicle stands on its side or its head", poses_path, i);
    log.poses[times[i]] = poses[i];
  }
  log.sweeps = times_in(fs::path(folder) / "sensors/lidar", ".feather");
  check(!log.sweeps.empty(), "{}: sensors/lidar holds no sweep", folder);
  read_sensors(log);
  read_cuboids(log);
  follow_tracks(log);
  read_map(log);
  return log;
}

Tensor read_av2_sweep(const Av2Log& log, int64_t sweep) {
  const std::string path = join(log.folder, fmt::format("sensors/lidar/{}.feather", sweep).c_str());
  const ArrowTable table = ArrowTable::read(path);
  const std::vector<double> x = table.floats("x"), y = table.floats("y"), z = table.floats("z"),
                            intensity = table.floats("intensity");
  std::vector<float> kept;
  for (size_t i = 0; i < x.size(); ++i) {
    if (!(std::abs(x[i]) < 1e5 && std::abs(y[i]) < 1e5 && std::abs(z[i]) < 1e5)) continue;
    check(intensity[i] >= 0 && intensity[i] <= 255, "{}: row {}: intensity is {}, expected 0 to 255", path, i,
          intensity[i]);
    kept.insert(kept.end(), {static_cast<float>(x[i]), static_cast<float>(y[i]), static_cast<float>(z[i]),
                             static_cast<float>(intensity[i] / 255)});
  }
  check(!kept.empty(), "{}: holds no point", path);
  Tensor points = empty({static_cast<int64_t>(kept.size() / 4), 4});
  std::copy(kept.begin(), kept.end(), points.data<float>());
  return points;
}

}  // namespace bevgrad
