// Ray casting, the LiDAR, and the visibility layers.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "data/scene/raycast.h"
#include "data/scene_rig.h"
#include "internal/points_in_boxes.h"
#include "scene/internal/visibility.h"

namespace bevgrad {
namespace {

using namespace scene;
using testing::small_scene;

/// Distance to a box by walking along the ray: independent of the slabs.
double march(const CastBox& b, Vec3 o, Vec3 d, double limit, double step = 0.01) {
  for (double t = 0; t < limit; t += step) {
    const Vec3 p = o + d * t;
    const double dx = p.x - b.x, dy = p.y - b.y;
    const double along = b.cosine * dx + b.sine * dy, across = -b.sine * dx + b.cosine * dy;
    if (std::abs(along) <= b.half_length && std::abs(across) <= b.half_width && p.z >= b.z0 && p.z <= b.z1) return t;
  }
  return std::numeric_limits<double>::infinity();
}

TEST(SensorView, FindsTheNearestBoxInEveryDirection) {
  Random random(9);
  std::vector<CastBox> boxes;
  for (int i = 0; i < 40; ++i) {
    const double angle = random.uniform(-3, 3), distance = random.uniform(4, 25), turn = random.uniform(-3, 3);
    boxes.push_back({static_cast<float>(distance * std::cos(angle)), static_cast<float>(distance * std::sin(angle)),
                     static_cast<float>(std::cos(turn)), static_cast<float>(std::sin(turn)),
                     static_cast<float>(random.uniform(0.3, 3)), static_cast<float>(random.uniform(0.3, 1.5)), 0,
                     static_cast<float>(random.uniform(0.5, 3))});
  }
  const Vec3 origin = {0.5, -0.2, 1.5};
  const SensorView view(boxes, origin, 100);
  int hits = 0;
  for (int i = 0; i < 300; ++i) {
    const double azimuth = random.uniform(-3.14159, 3.14159), height = random.uniform(-0.25, 0.1);
    const Vec3 d = {std::cos(azimuth) * std::cos(height), std::sin(azimuth) * std::cos(height), std::sin(height)};
    double nearest = std::numeric_limits<double>::infinity();
    for (const CastBox& box : boxes) nearest = std::min(nearest, march(box, origin, d, 30));
    const Hit hit = view.cast({static_cast<float>(d.x), static_cast<float>(d.y), static_cast<float>(d.z)},
                              SensorView::bin(d.x, d.y), 30);
    if (hit.box >= 0 && hit.t < nearest - 0.02) {
      // The ray cuts a corner between two steps: finer ones find it.
      const CastBox& box = boxes[static_cast<size_t>(hit.box)];
      EXPECT_LT(march(box, origin + d * (hit.t - 0.001), d, 0.02, 1e-5), 0.02);
    } else if (!std::isinf(nearest)) {
      ++hits;
      ASSERT_GE(hit.box, 0);
      EXPECT_NEAR(hit.t, nearest, 0.02);
    }
  }
  EXPECT_GT(hits, 80);
}

TEST(SensorView, DoesNotSeeTheBoxThatItIsIn) {
  const SensorView view({{0, 0, 1, 0, 2, 1, 0, 2}, {10, 0, 1, 0, 1, 1, 0, 2}}, {0, 0, 1}, 100);
  const Hit hit = view.cast({1, 0, 0}, SensorView::bin(1, 0), 50);
  EXPECT_EQ(hit.box, 1);
  EXPECT_NEAR(hit.t, 9, 1e-5);
  EXPECT_EQ(hit.axis, 0);
  EXPECT_FALSE(hit.positive);
}

TEST(CameraCoverage, ABoxHidesWhatIsBehindIt) {
  const LabelGrid grid;
  Camera camera = camera_with_fov(CameraKind::Pinhole, 160, 96, 1.7);
  camera.sensor2ego = camera_mount({0, 0, 1.5}, 0, 0.1, 0);
  const SensorView view({{10, 0, 1, 0, 1, 2, 0, 1.6f}}, {0, 0, 1.5}, 100);
  CellMask mask(224 * 416, 0);
  CameraCoverage(camera, grid).mark_visible(view, mask);
  const auto at = [&](double x, double y) {
    return mask[static_cast<size_t>((y + 22.4) / 0.2) * 416 + static_cast<size_t>((x + 20.8) / 0.2)];
  };
  EXPECT_TRUE(at(7, 0));
  EXPECT_TRUE(at(9.1, 0));    // the foot of the box
  EXPECT_FALSE(at(11.9, 0));  // behind
  EXPECT_FALSE(at(40, 0));
  EXPECT_FALSE(at(40, 7));  // in the shadow, which spreads
  EXPECT_TRUE(at(40, 12));
  EXPECT_TRUE(at(12, 4));
  EXPECT_FALSE(at(-5, 0));  // behind the camera
}

TEST(SeenWindow, RemembersWhatWasSeenWhereItLay) {
  const LabelGrid grid = {.x_min = 0, .y_min = 0, .z_min = -1, .x_max = 10, .y_max = 10, .z_max = 1, .cell = 1};
  SeenWindow window({1.0}, 0.1, grid);
  CellMask first(100, 0), none(100, 0);
  first[5 * 10 + 6] = 1;  // x 6..7, y 5..6
  EXPECT_EQ(window.update(0, Pose{}, first), first);
  // Half a second later nothing matches: only what is seen now counts.
  EXPECT_EQ(window.update(0.5, Pose::from_yaw(1, 0, 0, 0), none), none);
  // After 1.05 s, two metres further on, it lies two cells nearer.
  CellMask expected(100, 0);
  expected[5 * 10 + 4] = 1;
  EXPECT_EQ(window.update(1.05, Pose::from_yaw(2, 0, 0, 0), none), expected);
  // 1.5 s: the frame of 0.5 s matches, which saw nothing.
  EXPECT_EQ(window.update(1.55, Pose::from_yaw(2, 0, 0, 0), none), none);
}

TEST(SeenWindow, TurnsWithTheVehicle) {
  const LabelGrid grid = {.x_min = -5, .y_min = -5, .z_min = -1, .x_max = 5, .y_max = 5, .z_max = 1, .cell = 1};
  SeenWindow window({1.0}, 0.1, grid);
  CellMask first(100, 0), none(100, 0);
  first[5 * 10 + 8] = 1;  // 3.5 ahead, 0.5 to the left
  window.update(0, Pose{}, first);
  // After a quarter turn to the left it lies 0.5 ahead and 3.5 to the right.
  CellMask expected(100, 0);
  expected[1 * 10 + 5] = 1;
  EXPECT_EQ(window.update(1, Pose::from_yaw(0, 0, 0, std::numbers::pi / 2), none), expected);
}

TEST(SceneLidar, PointsLieOnTheGroundAndOnBoxes) {
  SceneOptions options = small_scene(1);
  options.lidar.points = 24000;
  int on_ground = 0, points = 0, hits = 0, inside = 0;
  double paint = 0, asphalt = 0;
  int paint_count = 0, asphalt_count = 0;
  for (uint64_t seed = 50; seed < 54; ++seed) {
    const Sample s = *SceneDrive(options, seed, 0).next();
    const float* p = s.points.data<float>();
    const auto* lane = s.labels.lane.data<uint8_t>();
    for (int64_t i = 0; i < s.points.size(0); ++i, p += 4) {
      ++points;
      EXPECT_TRUE(p[3] >= 0 && p[3] <= 1);
      EXPECT_GT(p[2], -0.2);
      if (std::abs(p[2]) < 0.08) ++on_ground;
      for (const Box3d& b : s.labels.boxes) {
        const RotatedBox grown = {b.x, b.y, b.l + 0.2, b.w + 0.2, b.yaw};
        inside += p[2] > -0.1 && p[2] < b.h + 0.1 && contains(grown, Vec2{p[0], p[1]});
      }
      const double range = std::hypot(p[0], p[1]);
      if (std::abs(p[2]) > 0.08 || range > 12) continue;
      const auto r = static_cast<int64_t>((p[1] + 22.4) / 0.2), c = static_cast<int64_t>((p[0] + 20.8) / 0.2);
      const bool solid = lane[r * 416 + c] || lane[6 * 224 * 416 + r * 416 + c];
      (solid && p[3] > 0.3 ? paint : asphalt) += p[3];
      ++(solid && p[3] > 0.3 ? paint_count : asphalt_count);
    }
    for (const Box3d& b : s.labels.boxes) hits += b.num_lidar_points;
  }
  EXPECT_GT(on_ground, points / 8);
  EXPECT_GT(hits, 2000);
  EXPECT_GE(inside, hits * 95 / 100);  // every return of an actor lies in its box, but for range noise
  ASSERT_GT(paint_count, 50);
  EXPECT_GT(paint / paint_count, 4 * asphalt / asphalt_count);
}

TEST(SceneLidar, EveryClasssBoxesHoldThePointsThatTheyClaim) {
  SceneOptions options = small_scene(1, 8, 8);
  options.cameras.clear();
  options.lidar.points = 24000;
  options.lidar.range_noise = 0;
  std::map<int, int64_t> claimed, inside, boxes;
  for (uint64_t i = 0; i < 40; ++i) {
    options.parking = i % 2 ? 1 : 0;
    const Sample s = *SceneDrive(options, layout_seed(3, Split::Train, i), 0).next();
    for (const Box3d& box : s.labels.boxes) {
      ASSERT_GE(box.num_lidar_points, 0);
      ++boxes[box.class_id];
      claimed[box.class_id] += box.num_lidar_points;
      Box3d over_ground = box;  // what lies on the ground within the box is not the box's
      over_ground.z += 0.05;
      over_ground.h -= 0.1;
      inside[box.class_id] += count_inside(over_ground, s.points, 0.02);
    }
  }
  for (int id = 0; id < kActorTypes; ++id) {
    ASSERT_GT(boxes[id], 0) << name(static_cast<ActorType>(id));
    ASSERT_GT(claimed[id], 20) << name(static_cast<ActorType>(id));
    const double share = static_cast<double>(inside[id]) / static_cast<double>(claimed[id]);
    EXPECT_GT(share, 0.9) << name(static_cast<ActorType>(id));
    EXPECT_LT(share, 1.1) << name(static_cast<ActorType>(id));
  }
}

TEST(SceneVisibility, MuchThatIsHiddenNowWasSeenInTheWindow) {
  SceneOptions options = small_scene(44, 16, 12);
  options.ground_cell = 0.25;
  options.lidar.points = 6000;
  int64_t now = 0, earlier = 0, never = 0;
  for (uint64_t i = 0; i < 5; ++i) {
    SceneDrive drive(options, layout_seed(1, Split::Train, i), 0);
    for (int frame = 0; frame < 44; ++frame) {
      const Sample s = *drive.next();
      const auto* v = s.labels.visibility.data<uint8_t>();
      const auto* lane = s.labels.lane.data<uint8_t>();
      constexpr int64_t n = 224 * 416;
      for (int64_t c = 0; c < n; ++c) EXPECT_LE(v[c] | v[n + c], v[2 * n + c]);  // the window holds the present
      if (frame < 36) continue;
      for (int64_t k = 0; k < 9; ++k)
        for (int64_t c = 0; c < n; ++c) {
          if (!lane[k * n + c]) continue;
          ++(v[c] || v[n + c] ? now : v[2 * n + c] ? earlier : never);
        }
    }
  }
  const double total = static_cast<double>(now + earlier + never);
  EXPECT_GT(static_cast<double>(earlier) / total, 0.1);
  EXPECT_GT(static_cast<double>(now) / total, 0.3);
  EXPECT_GT(static_cast<double>(never) / total, 0.05);
}

}  // namespace
}  // namespace bevgrad
