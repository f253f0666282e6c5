// Occupancy from accumulated sweeps: a street whose answer is known, and the generator's exact voxels.
#include "data/voxels/accumulated_voxels.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <optional>
#include <string>
#include <vector>

#include "base/full_size.h"
#include "data/scene/scene.h"
#include "data/voxels/ground_surface.h"
#include "scene_rig.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

const VoxelGrid kGrid = {
    .x_min = -10, .y_min = -10, .z_min = -1.25, .cell = 0.5, .levels = 8, .rows = 40, .columns = 80};
const VoxelNumbers kNumbers = {.road = 1, .ground = 2, .other = 3, .free = 4};  // 0: car
const Vec3 kLidar = {1, 0, 1.8};

/// A street along x: flat, with a wall 6.3 m to the left from x = 0 to 60, a car that overtakes on the right and one
/// that is parked. The vehicle drives a metre a sweep.
struct Street {
  double slope = 0;

  static Box3d moving(int sweep) {
    return {.x = -20 + 3.0 * sweep, .y = -3.2, .z = 0.8, .l = 4.2, .w = 2, .h = 1.6, .class_id = 0, .track = 7};
  }
  static Box3d parked() {
    return {.x = 24, .y = -6.4, .z = 0.8, .l = 4, .w = 1.8, .h = 1.6, .class_id = 0, .track = 3};
  }

  LabelledSweep at(int sweep) const {
    LabelledSweep made;
    made.ego2map = Pose::from_yaw(sweep, 0, slope * sweep, 0);
    made.lidar = kLidar;
    const std::vector<Box3d> boxes = {moving(sweep), parked()};
    const Vec3 eye = made.ego2map.apply(kLidar);
    std::vector<float> points;
    for (int elevation = -25; elevation <= 6; ++elevation)
      for (int azimuth = 0; azimuth < 720; ++azimuth) {
        const double e = elevation * std::numbers::pi / 180, a = azimuth * std::numbers::pi / 360;
        const Vec3 ray = {std::cos(e) * std::cos(a), std::cos(e) * std::sin(a), std::sin(e)};
        const std::optional<double> range = hit(eye, ray, boxes);
        if (!range) continue;
        const Vec3 local = made.ego2map.inverse().apply(eye + ray * *range);
        points.insert(points.end(),
                      {static_cast<float>(local.x), static_cast<float>(local.y), static_cast<float>(local.z), 0.5f});
      }
    made.points = empty({static_cast<int64_t>(points.size() / 4), 4});
    std::copy(points.begin(), points.end(), made.points.data<float>());
    for (Box3d box : boxes) {
      const Vec3 local = made.ego2map.inverse().apply({box.x, box.y, box.z + slope * box.x});
      box.x = local.x, box.y = local.y, box.z = local.z;
      made.boxes.push_back(box);
    }
    return made;
  }

 private:
  std::optional<double> hit(const Vec3& eye, const Vec3& ray, const std::vector<Box3d>& boxes) const {
    double nearest = 60;
    const double fall = slope * ray.x - ray.z;  // of the ray, onto the ground z = slope * x
    if (fall > 1e-9) nearest = std::min(nearest, (eye.z - slope * eye.x) / fall);
    if (ray.y > 1e-9) {
      const double range = (6.3 - eye.y) / ray.y;
      const Vec3 there = eye + ray * range;
      if (there.x > 0 && there.x < 60 && there.z - slope * there.x < 2.5) nearest = std::min(nearest, range);
    }
    for (const Box3d& box : boxes) {
      double enter = 0, leave = 1e9;
      const double low[3] = {box.x - box.l / 2, box.y - box.w / 2, box.z - box.h / 2 + slope * box.x},
                   high[3] = {box.x + box.l / 2, box.y + box.w / 2, box.z + box.h / 2 + slope * box.x},
                   from[3] = {eye.x, eye.y, eye.z}, way[3] = {ray.x, ray.y, ray.z};
      for (int i = 0; i < 3; ++i) {
        if (std::abs(way[i]) < 1e-12) continue;
        const double s = (low[i] - from[i]) / way[i], t = (high[i] - from[i]) / way[i];
        enter = std::max(enter, std::min(s, t));
        leave = std::min(leave, std::max(s, t));
      }
      if (enter < leave && enter > 0) nearest = std::min(nearest, enter);
    }
    return nearest < 60 ? std::optional(nearest) : std::nullopt;
  }
};

LabelledVoxels voxels_at(const Street& street, int now, int first, int last, std::vector<Camera> cameras = {}) {
  AccumulatedVoxels voxels(kGrid, kNumbers);
  for (int sweep = first; sweep <= last; ++sweep) voxels.add_key(street.at(sweep));
  LabelledSweep sweep = street.at(now);
  sweep.cameras = std::move(cameras);
  sweep.drivable = {{{-10, -4.5}, {30, -4.5}, {30, 4.5}, {-10, 4.5}}};
  return voxels.label(sweep);
}

int64_t index_at(double x, double y, double z) {
  return kGrid.index(kGrid.level_of(z), static_cast<int64_t>((y + 10) / 0.5), static_cast<int64_t>((x + 10) / 0.5));
}

int at(const Tensor& voxels, double x, double y, double z) {
  return voxels.data<const uint8_t>()[index_at(x, y, z)];
}

TEST(AccumulatedVoxels, AStreetIsWhatItIs) {
  const LabelledVoxels made = voxels_at({}, 10, 0, 20);  // the vehicle is at x = 10, the overtaking car beside it
  for (double x = 4; x < 25; x += 0.5) {
    EXPECT_EQ(at(made.labels, x, 6.3, 1.2), kNumbers.other) << "the wall at " << x;
    EXPECT_EQ(at(made.labels, x, 2.2, 0.1), kNumbers.road) << x;
    EXPECT_EQ(at(made.labels, x, 5.2, 0.1), kNumbers.ground) << x;
    EXPECT_EQ(at(made.labels, x, 3.2, 1.2), kNumbers.free) << x;
    EXPECT_EQ(at(made.labels, x, 8.2, 1.2), kIgnoreLabel) << "behind the wall at " << x;
  }
  // Car: at x = 10 of the map, so at 0 of the vehicle's frame; its sides are known from the sweeps in which it passed.
  EXPECT_EQ(at(made.labels, 0.2, -2.3, 0.7), 0);
  EXPECT_EQ(at(made.labels, -2.2, -3.2, 0.7), 0) << "its rear, which this sweep does not see";
  EXPECT_EQ(at(made.labels, 2.2, -3.2, 0.7), 0) << "its front";
  EXPECT_EQ(at(made.labels, 0.2, -3.2, 0.7), kIgnoreLabel) << "within it";
  for (double x = -6; x < 20; x += 0.5)
    if (std::abs(x) > 3) {
      EXPECT_EQ(at(made.labels, x, -2.3, 0.7), kNumbers.free) << "where it was and will be, " << x;
    }
  EXPECT_EQ(at(made.labels, 14.2, -5.6, 0.7), 0) << "the parked car";
  EXPECT_EQ(at(made.labels, 1, 0.2, 0.7), kIgnoreLabel) << "the own vehicle";
  EXPECT_EQ(at(made.labels, 12, 2.2, -0.8), kIgnoreLabel) << "below the ground";
}

TEST(AccumulatedVoxels, OneSweepKnowsLessAndNothingElse) {
  const LabelledVoxels many = voxels_at({}, 10, 0, 20), one = voxels_at({}, 10, 0, -1);
  const uint8_t *a = many.labels.data<const uint8_t>(), *b = one.labels.data<const uint8_t>();
  int known_by_many = 0, known_by_one = 0, differing = 0;
  for (int64_t i = 0; i < kGrid.count(); ++i) {
    known_by_many += a[i] != kIgnoreLabel;
    known_by_one += b[i] != kIgnoreLabel;
    differing += a[i] != kIgnoreLabel && b[i] != kIgnoreLabel && a[i] != b[i];
  }
  EXPECT_GT(known_by_many, known_by_one * 5 / 4);
  EXPECT_LT(differing, known_by_one / 50);
}

TEST(AccumulatedVoxels, GroundThatClimbsIsGround) {
  const LabelledVoxels made = voxels_at({.slope = 0.06}, 10, 0, 20);
  for (const double x : {5.2, 10.2, 15.2, 20.2}) {
    EXPECT_EQ(at(made.labels, x, 2.2, 0.06 * x), kNumbers.road) << x;
    EXPECT_EQ(at(made.labels, x, 6.3, 0.06 * x + 1.2), kNumbers.other) << x;
    EXPECT_EQ(at(made.labels, x, 3.2, 0.06 * x + 1.2), kNumbers.free) << x;
  }
}

TEST(AccumulatedVoxels, ABoxWithoutATrackHasThePointsOfItsSweep) {
  AccumulatedVoxels voxels(kGrid, kNumbers);
  const auto without = [](LabelledSweep sweep) {
    for (Box3d& box : sweep.boxes) box.track = -1;
    return sweep;
  };
  for (int sweep = 0; sweep <= 20; ++sweep) voxels.add_key(without(Street().at(sweep)));
  const LabelledVoxels made = voxels.label(without(Street().at(10)));
  EXPECT_EQ(at(made.labels, 0.2, -2.3, 1), 0) << "the side that it shows";
  EXPECT_NE(at(made.labels, -2.2, -3.2, 0.7), 0) << "its rear";
  EXPECT_EQ(at(made.labels, 12, -2.3, 0.7), kNumbers.free) << "where it was in another sweep";
}

TEST(AccumulatedVoxels, SensorsSeeWhatNothingHides) {
  Camera camera = camera_with_fov(CameraKind::Pinhole, 200, 120, std::numbers::pi / 2);
  camera.sensor2ego = camera_mount({1.5, 0, 1.5}, -std::numbers::pi / 2, 0.1, 0);  // to the right
  const LabelledVoxels made = voxels_at({}, 10, 0, 20, {camera});
  EXPECT_EQ(at(made.seen, 1.2, -2.3, 1), kVoxelSeenByCamera | kVoxelSeenByLidar) << "the car beside";
  EXPECT_EQ(at(made.seen, 1.2, -5.8, 0.7), 0) << "behind it";
  EXPECT_EQ(at(made.seen, 1.2, 3.2, 0.7), kVoxelSeenByLidar) << "on the other side";
  EXPECT_EQ(at(made.seen, 1.2, 6.3, 1.2), kVoxelSeenByLidar) << "the wall";
  EXPECT_EQ(at(made.seen, 1.2, 8.2, 1.2), 0) << "behind the wall";
}

/// free, ground, what may move, anything else; -1: not known.
int group_of(int label, const std::vector<std::string>& classes, const std::vector<std::string>& movers) {
  if (label == kIgnoreLabel) return -1;
  if (label == static_cast<int>(classes.size())) return 0;
  const std::string& name = classes[static_cast<size_t>(label)];
  return name == "road" || name == "ground" ? 1 : std::ranges::find(movers, name) != movers.end() ? 2 : 3;
}

TEST(AccumulatedVoxels, AreTheGeneratorsWhereTheyAreKnownAndSeen) {
  SceneOptions options = testing::small_scene(14);
  options.lidar.points = 30000;
  options.labels.voxel_classes.assign(std::begin(full_size::kVoxelClasses), std::end(full_size::kVoxelClasses));
  const std::vector<std::string>& movers = options.labels.dynamic_classes;
  std::vector<std::string> ours = movers;
  ours.insert(ours.end(), {"ground", "other"});
  const auto ground = static_cast<uint8_t>(movers.size());
  AccumulatedVoxels voxels(options.labels.voxels, {.road = ground,
                                                   .ground = ground,
                                                   .other = static_cast<uint8_t>(ground + 1),
                                                   .free = static_cast<uint8_t>(ground + 2)});
  LabelledSweep now;
  Labels exact;
  SceneDrive drive(options, 5, 0);
  for (int i = 0; auto sample = drive.next(); ++i) {
    LabelledSweep sweep;
    sweep.ego2map = sample->true_pose;
    sweep.points = sample->points;
    sweep.lidar = *sample->lidar;
    sweep.boxes = sample->labels.boxes;
    for (const Box3d& box : sweep.boxes) EXPECT_GE(box.track, 0);
    if (i == 7) {
      now = sweep;
      exact = sample->labels;
    }
    voxels.add_key(sweep);
  }
  const LabelledVoxels made = voxels.label(now);
  int64_t known = 0, right = 0, filled_in_both = 0, filled_in_any = 0;
  for (int64_t i = 0; i < options.labels.voxels.count(); ++i) {
    const int a = group_of(exact.voxels.data<const uint8_t>()[i], options.labels.voxel_classes, movers),
              b = group_of(made.labels.data<const uint8_t>()[i], ours, movers);
    if (a < 0 || b < 0 || exact.voxels_seen.data<const uint8_t>()[i] == 0) continue;
    ++known;
    right += a == b;
    filled_in_both += a > 0 && b > 0;
    filled_in_any += a > 0 || b > 0;
  }
  EXPECT_GT(known, 10000);
  EXPECT_GT(static_cast<double>(right) / static_cast<double>(known), 0.93);
  EXPECT_GT(static_cast<double>(filled_in_both) / static_cast<double>(filled_in_any), 0.65);
}

TEST(GroundSurface, FindsTheGroundBelowThingsAndBeyondThem) {
  GroundSurface surface({.x_min = -5, .y_min = -5, .x_max = 25, .y_max = 5, .cell = 0.5});
  for (double x = -4.75; x < 25; x += 0.5)
    for (double y = -4.75; y < 5; y += 0.5) {
      const bool in_shadow = x > 12 && x < 16;
      for (int i = 0; i < 3 && !in_shadow; ++i) surface.add({x, y, 0.03 * std::max(0.0, x)});
      if (x > 10 && x < 12) surface.add({x, y, 1.5});  // a roof over it
      if (in_shadow)
        for (int i = 0; i < 3; ++i) surface.add({x, y, 2.5});  // nothing but a roof
      if (x > 7 && x < 8) surface.add({x, y, -2});             // reflections
    }
  const std::vector<float> heights = surface.heights();
  for (double x = -4.75; x < 25; x += 0.5)
    EXPECT_NEAR(heights[static_cast<size_t>(10 * 60 + static_cast<int>((x + 5) / 0.5))], 0.03 * std::max(0.0, x), 0.15)
        << x;
}

}  // namespace
}  // namespace bevgrad
