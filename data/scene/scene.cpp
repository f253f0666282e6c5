#include "data/scene/scene.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

#include "data/image_codec.h"
#include "scene/internal/camera_view.h"
#include "scene/internal/lens.h"
#include "scene/internal/scene_labels.h"
#include "scene/internal/visibility.h"
#include "scene/internal/voxel_labels.h"

namespace bevgrad {

using namespace scene;

namespace {

constexpr double kDegree = std::numbers::pi / 180;

void check_range(const char* field, double value, double low, double high) {
  if (!(value >= low && value <= high))
    throw UsageError(fmt::format("scene: {} is {}, expected {} to {}", field, value, low, high));
}

LayoutOptions layout_options(const SceneOptions& options) {
  LayoutOptions result;
  result.night = options.night;
  result.parking = options.parking;
  result.occluders = options.occluders;
  result.drive_length = std::max(10.0, 9.2 * options.drive.frames / options.drive.frame_rate);
  return result;
}

DriveOptions drive_options(const SceneOptions& options) {
  DriveOptions result = options.drive;
  result.signals = result.signals || !options.labels.box_attributes.empty();
  return result;
}

Weather make_weather(const SceneOptions& options, const Layout& layout, Random random) {
  const bool rain = random.chance(options.rain), dirt = random.chance(options.dirt),
             glare = random.chance(options.glare);
  return {.rain = rain && !layout.indoor, .dirt = dirt, .glare = glare && !rain && !layout.indoor && !layout.night};
}

Layout make_place(const SceneOptions& options, uint64_t seed) {
  Layout layout = make_layout(layout_options(options), seed);
  if (make_weather(options, layout, Random(seed).fork(101)).rain) layout.wetness = std::max(layout.wetness, 0.8);
  return layout;
}

Lighting make_lighting(const Layout& layout, const Weather& weather, Random random) {
  Lighting light;
  light.night = layout.night;
  light.indoor = layout.indoor;
  light.wetness = layout.wetness;
  const double azimuth = random.uniform(-std::numbers::pi, std::numbers::pi), height = random.uniform(28, 65) * kDegree;
  // In the world frame here; turned into the ego frame a frame.
  light.sun = {static_cast<float>(std::cos(azimuth) * std::cos(height)),
               static_cast<float>(std::sin(azimuth) * std::cos(height)), static_cast<float>(std::sin(height))};
  const bool cloudy = random.chance(0.35) || layout.wetness > 0;
  light.sun_strength = cloudy ? 0.2f : static_cast<float>(random.uniform(0.55, 0.85));
  light.ambient = cloudy ? 0.85f : static_cast<float>(random.uniform(0.5, 0.65));
  light.sky = cloudy ? Rgb{196, 200, 206} : Rgb{160, 190, 226};
  if (weather.glare) {  // before the vehicle or behind it, whichever way it drives first
    const Vec2 ahead = layout.ego_path.size() < 2 ? Vec2{1, 0} : layout.ego_path[1] - layout.ego_path[0];
    const double low = random.uniform(5, 14) * kDegree;
    const double way =
        std::atan2(ahead.y, ahead.x) + random.uniform(-0.5, 0.5) + (random.chance(0.5) ? std::numbers::pi : 0);
    light.sun = {static_cast<float>(std::cos(way) * std::cos(low)), static_cast<float>(std::sin(way) * std::cos(low)),
                 static_cast<float>(std::sin(low))};
    light.sun_strength = 0.7f;
    light.ambient = 0.5f;
    light.sky = {206, 200, 190};
  }
  if (layout.night) {
    light.sun_strength = 0;
    light.ambient = static_cast<float>(random.uniform(0.24, 0.36));
    light.sky = {22, 26, 42};
  }
  if (layout.indoor) {
    light.sun_strength = 0;
    light.ambient = static_cast<float>(random.uniform(0.4, 0.65)) * (layout.night ? 0.6f : 1.0f);
  }
  return light;
}

/// The rig as it is mounted on this vehicle.
std::vector<Camera> mount_cameras(const SceneOptions& options, Random random) {
  std::vector<Camera> cameras;
  for (const SceneCamera& nominal : options.cameras) {
    Camera camera = nominal.camera;
    const auto turn = [&] { return options.mount_angle * kDegree * random.normal(); };
    const auto shift = [&] { return options.mount_shift * random.normal(); };
    const double yaw = turn(), pitch = turn(), roll = turn();
    const Vec3 moved = {shift(), shift(), shift()};
    const Vec3 at = camera.sensor2ego.translation() + moved;
    Pose orientation = camera.sensor2ego;
    orientation.m[3] = orientation.m[7] = orientation.m[11] = 0;
    camera.sensor2ego = Pose::from_angles(at, yaw, pitch, roll) * orientation;
    cameras.push_back(camera);
  }
  return cameras;
}

}  // namespace

void validate(const SceneOptions& o) {
  for (const SceneCamera& camera : o.cameras) {
    try {
      validate(camera.camera);
    } catch (const std::invalid_argument& error) {
      throw UsageError(fmt::format("scene: camera '{}': {}", camera.name, error.what()));
    }
    check_range(fmt::format("camera '{}' width", camera.name).c_str(), camera.camera.width, 1, 8192);
    check_range(fmt::format("camera '{}' height", camera.name).c_str(), camera.camera.height, 1, 8192);
    check_range(fmt::format("camera '{}' z", camera.name).c_str(), camera.camera.sensor2ego.translation().z, 0.1, 10);
  }
  check_range("lidar_beams", o.lidar.beams, 1, 512);
  check_range("lidar_points", o.lidar.points, 1, 2000000);
  check_range("frames", o.drive.frames, 1, 1000);
  check_range("frame_rate", o.drive.frame_rate, 1, 100);
  check_range("timestamp_jitter", o.drive.timestamp_jitter, 0, 0.45 / o.drive.frame_rate);
  check_range("drop_rate", o.drive.drop_rate, 0, 0.9);
  check_range("pose_noise", o.drive.pose_noise, 0, 1);
  check_range("yaw_noise", o.drive.yaw_noise, 0, 45);
  check_range("night", o.night, 0, 1);
  check_range("parking", o.parking, 0, 1);
  check_range("occluders", o.occluders, 0, 1);
  check_range("rain", o.rain, 0, 1);
  check_range("dirt", o.dirt, 0, 1);
  check_range("glare", o.glare, 0, 1);
  check_range("image_noise", o.image_noise, 0, 60);
  check_range("mount_angle", o.mount_angle, 0, 10);
  check_range("mount_shift", o.mount_shift, 0, 0.1);
  check_range("ground_cell", o.ground_cell, 0.02, 0.5);
  check_range("window_tolerance", o.window_tolerance, 0, 10);
  for (double interval : o.window) check_range("window", interval, 0, 60);
}

uint64_t layout_seed(uint64_t seed, Split split, uint64_t index) {
  const uint64_t place = mix(mix(seed + 0x9e3779b97f4a7c15ull) + index) & ~(1ull << 63);
  return place | (split == Split::Val ? 1ull << 63 : 0);
}

struct SceneDrive::State {
  SceneOptions options;
  int64_t sequence = 0;
  Random random;
  Layout layout;
  Weather weather;
  Drive drive;
  std::vector<Camera> cameras;
  std::vector<CameraView> views;
  std::vector<Lens> lenses;  // where the weather or dirt spoils pictures
  std::vector<CameraCoverage> coverage;
  LidarView lidar;
  GroundRaster ground;
  Lighting light;
  WorldLabels labels;
  SeenWindow window;
  std::optional<VoxelLabels> voxels;  // where the schema has classes of them
  float exposure = 1;
  size_t next = 0;

  State(const SceneOptions& o, uint64_t seed, int64_t sequence_id)
      : options(o),
        sequence(sequence_id),
        random(Random(seed).fork(100)),
        layout(make_place(o, seed)),
        weather(make_weather(o, layout, Random(seed).fork(101))),
        drive(simulate(layout, drive_options(o), random.fork(1))),
        cameras(mount_cameras(o, random.fork(2))),
        lidar(o.lidar),
        ground(layout, visited(), 72, o.ground_cell, seed),
        light(make_lighting(layout, weather, random.fork(3))),
        labels(world_labels(layout, o.labels, o.bridge_gaps)),
        window(o.window, o.window_tolerance, o.labels.grid) {
    for (const Camera& camera : cameras) {
      views.emplace_back(camera);
      coverage.emplace_back(camera, o.labels.grid);
      if (weather.rain || weather.dirt || weather.glare)
        lenses.emplace_back(camera, weather, random.fork(200 + lenses.size()));
    }
    if (!o.labels.voxel_classes.empty()) voxels.emplace(layout, o.labels, cameras);
  }

  std::vector<Vec2> visited() const {
    std::vector<Vec2> places;
    for (const DriveFrame& frame : drive.frames)
      places.push_back({frame.true_pose.translation().x, frame.true_pose.translation().y});
    return places;
  }

  Lighting light_at(const DriveFrame& frame, Random& dice) {
    // The camera's exposure wanders around what suits the place.
    const float best = light.night ? (light.indoor ? 1.35f : 1.5f) : light.indoor ? 1.2f : 1.0f;
    exposure += 0.15f * (1 - exposure) + 0.025f * static_cast<float>(dice.normal());
    Lighting now = light;
    now.exposure = best * std::clamp(exposure, 0.75f, 1.3f);
    const double yaw = frame.true_pose.yaw();
    const auto c = static_cast<float>(std::cos(yaw)), s = static_cast<float>(std::sin(yaw));
    now.sun.x = c * light.sun.x + s * light.sun.y;
    now.sun.y = -s * light.sun.x + c * light.sun.y;
    return now;
  }
};

SceneDrive::SceneDrive(const SceneOptions& options, uint64_t layout_seed, int64_t sequence) {
  validate(options);
  state_ = std::make_unique<State>(options, layout_seed, sequence);
}
SceneDrive::~SceneDrive() = default;
SceneDrive::SceneDrive(SceneDrive&&) noexcept = default;
SceneDrive& SceneDrive::operator=(SceneDrive&&) noexcept = default;

const Layout& SceneDrive::layout() const {
  return state_->layout;
}
const Drive& SceneDrive::drive() const {
  return state_->drive;
}

std::optional<Sample> SceneDrive::next() {
  State& s = *state_;
  if (s.next >= s.drive.frames.size()) return std::nullopt;
  const DriveFrame& frame = s.drive.frames[s.next];
  Random dice = s.random.fork(1000 + s.next);
  const Surroundings world = look_around(s.layout, s.drive, frame, s.ground, s.light_at(frame, dice));
  const LabelGrid& grid = s.options.labels.grid;
  const auto cells = static_cast<size_t>(grid.rows() * grid.columns());

  Sample sample;
  sample.key = fmt::format("{:06d}/{:04d}", s.sequence, s.next);
  sample.dataset = name(s.layout.kind);
  sample.sequence = s.sequence;
  sample.timestamp = frame.timestamp;
  sample.ego_pose = frame.ego_pose;
  sample.true_pose = frame.true_pose;

  CellMask by_camera(cells, 0), by_lidar(cells, 0);
  Tensor voxels_seen;
  if (s.voxels) {
    const VoxelGrid& v = s.options.labels.voxels;
    voxels_seen = zeros({v.levels, v.rows, v.columns}, {.dtype = DType::UInt8});
  }
  const double noise = s.options.image_noise * (s.light.night ? 1.5 : 1);
  for (size_t i = 0; i < s.cameras.size(); ++i) {
    const SensorView view(world.boxes, s.cameras[i].sensor2ego.translation(), kSightRange);
    CameraImage picture = {s.options.cameras[i].name, s.cameras[i],
                           empty_image(s.cameras[i].height, s.cameras[i].width)};
    s.views[i].render(world, view, noise, dice.fork(i), static_cast<uint8_t*>(picture.image.raw_data()));
    if (!s.lenses.empty()) s.lenses[i].spoil(world, s.next, static_cast<uint8_t*>(picture.image.raw_data()));
    s.coverage[i].mark_visible(view, by_camera);
    if (s.voxels) s.voxels->mark_seen(i, view, voxels_seen);
    sample.cameras.push_back(std::move(picture));
  }

  LidarScan scan;
  scan.hits.assign(s.drive.actors.size(), -1);
  if (s.options.has_lidar) {
    const SensorView view(world.boxes, s.options.lidar.position, kSightRange);
    scan = s.lidar.scan(world, view, s.drive.actors.size(), dice.fork(10000));
    mark_points(scan.static_returns, grid, by_lidar);
    if (s.voxels) s.voxels->mark_seen(scan.points, s.options.lidar.position, voxels_seen);
  }
  sample.points = empty({static_cast<int64_t>(scan.points.size() / 4), 4});
  std::copy(scan.points.begin(), scan.points.end(), sample.points.data<float>());
  if (s.options.has_lidar) sample.lidar = s.options.lidar.position;

  sample.labels = labels_at(s.labels, s.drive, frame, scan.hits, s.options.labels);
  if (s.voxels) sample.labels.voxels = s.voxels->labels(world, s.drive, frame);
  sample.labels.voxels_seen = voxels_seen;
  CellMask now = by_camera;
  for (size_t i = 0; i < cells; ++i) now[i] |= by_lidar[i];
  const CellMask window = s.window.update(frame.timestamp, frame.true_pose, now);
  sample.labels.visibility = empty({kVisibilityLayers, grid.rows(), grid.columns()}, {.dtype = DType::UInt8});
  auto* layers = sample.labels.visibility.data<uint8_t>();
  std::copy(by_camera.begin(), by_camera.end(), layers + kSeenByCameraNow * cells);
  std::copy(by_lidar.begin(), by_lidar.end(), layers + kSeenByLidarNow * cells);
  std::copy(window.begin(), window.end(), layers + kSeenInWindow * cells);
  ++s.next;
  return sample;
}

}  // namespace bevgrad
