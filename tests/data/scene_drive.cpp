// Sequences as a whole: reproducible, jittered and dropped frames, odometry, places that train and val do not share.
#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <thread>

#include "data/scene_rig.h"

namespace bevgrad {
namespace {

using testing::same_bytes;
using testing::small_scene;

std::vector<Sample> all_frames(const SceneOptions& options, uint64_t seed) {
  SceneDrive drive(options, seed, 7);
  std::vector<Sample> samples;
  while (std::optional<Sample> sample = drive.next()) samples.push_back(std::move(*sample));
  return samples;
}

void expect_same(const std::vector<Sample>& a, const std::vector<Sample>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].key, b[i].key);
    EXPECT_EQ(a[i].timestamp, b[i].timestamp);
    EXPECT_EQ(a[i].ego_pose, b[i].ego_pose);
    EXPECT_TRUE(same_bytes(a[i].points, b[i].points));
    EXPECT_TRUE(same_bytes(a[i].labels.lane, b[i].labels.lane));
    EXPECT_TRUE(same_bytes(a[i].labels.road, b[i].labels.road));
    EXPECT_TRUE(same_bytes(a[i].labels.visibility, b[i].labels.visibility));
    EXPECT_EQ(a[i].labels.boxes.size(), b[i].labels.boxes.size());
    for (size_t c = 0; c < a[i].cameras.size(); ++c) {
      EXPECT_EQ(a[i].cameras[c].camera, b[i].cameras[c].camera);
      EXPECT_TRUE(same_bytes(a[i].cameras[c].image, b[i].cameras[c].image));
    }
  }
}

TEST(SceneDrive, TheSameSeedGivesTheSameBitsOnAnyThread) {
  const SceneOptions options = small_scene(3);
  std::vector<Sample> first = all_frames(options, 5), second, third;
  std::thread a([&] { second = all_frames(options, 5); }), b([&] { third = all_frames(options, 5); });
  a.join();
  b.join();
  expect_same(first, second);
  expect_same(first, third);
  const std::vector<Sample> other = all_frames(options, 6);
  EXPECT_FALSE(same_bytes(first[0].labels.lane, other[0].labels.lane));
}

TEST(SceneDrive, ASampleHoldsEverything) {
  const SceneOptions options = small_scene(2);
  const std::vector<Sample> samples = all_frames(options, 11);
  ASSERT_EQ(samples.size(), 2u);
  const Sample& s = samples[1];
  EXPECT_EQ(s.key, "000007/0001");
  EXPECT_EQ(s.sequence, 7);
  ASSERT_EQ(s.cameras.size(), 4u);
  EXPECT_EQ(s.cameras[2].name, "left");
  EXPECT_EQ(s.cameras[2].image.sizes(), (Shape{3, 24, 40}));
  EXPECT_EQ(s.cameras[2].image.strides(), (Shape{1, 120, 3}));
  EXPECT_NE(s.cameras[0].camera.sensor2ego, options.cameras[0].camera.sensor2ego);  // as mounted on this vehicle
  EXPECT_EQ(s.labels.lane.sizes(), (Shape{9, 224, 416}));
  EXPECT_EQ(s.labels.road.sizes(), (Shape{4, 224, 416}));
  EXPECT_EQ(s.labels.visibility.sizes(), (Shape{3, 224, 416}));
  EXPECT_GT(s.points.size(0), 3000);
  EXPECT_TRUE(s.labels.has_instances && s.labels.has_boxes);
}

TEST(SceneDrive, ClassesFollowTheSchema) {
  SceneOptions options = small_scene(1);
  options.labels.road_classes = {"freespace", "Curb", "unheard_of"};
  options.labels.lane_classes = {"SolidLine"};
  options.labels.dynamic_classes = {"person", "car"};
  const Sample s = all_frames(options, 11)[0];
  EXPECT_EQ(s.labels.lane.size(0), 1);
  const auto sums = [&](int64_t layer) {
    const auto* cells = s.labels.road.data<uint8_t>() + layer * 224 * 416;
    return std::count(cells, cells + 224 * 416, 1);
  };
  EXPECT_GT(sums(0), 3000);  // the road's surface
  const auto* unheard_of = s.labels.road.data<uint8_t>() + 2 * 224 * 416;
  EXPECT_EQ(std::count(unheard_of, unheard_of + 224 * 416, kIgnoreLabel), 224 * 416) << "it is not labelled";
  for (const Box3d& box : s.labels.boxes) EXPECT_LT(box.class_id, 2);
}

TEST(SceneDrive, ClassesMayBeWrittenAsImportersWriteThem) {
  SceneOptions options = small_scene(1);
  options.labels.road_classes = {"freespace", "stopline", "crosswalk"};
  const Sample ours = all_frames(options, 12)[0];
  options.labels.road_classes = {"Freespace", "StopLine", "Crosswalk"};
  const Sample theirs = all_frames(options, 12)[0];
  EXPECT_TRUE(same_bytes(ours.labels.road, theirs.labels.road));
}

TEST(SceneDrive, FramesAreJitteredAndDropped) {
  SceneOptions options = small_scene(200);
  options.drive.drop_rate = 0.1;
  const scene::Drive drive = SceneDrive(options, 3, 0).drive();
  ASSERT_EQ(drive.frames.size(), 200u);
  int gaps = 0, jittered = 0;
  for (size_t i = 1; i < drive.frames.size(); ++i) {
    const double step = drive.frames[i].timestamp - drive.frames[i - 1].timestamp;
    EXPECT_GT(step, 0.079);
    gaps += step > 0.15;
    jittered += std::abs(step - 0.1) > 0.002 && step < 0.15;
    const double tick = std::round(drive.frames[i].timestamp * 10);
    EXPECT_LE(std::abs(drive.frames[i].timestamp - tick / 10), 0.01 + 1e-9);
  }
  EXPECT_GT(gaps, 8);
  EXPECT_LT(gaps, 40);
  EXPECT_GT(jittered, 100);
}

TEST(SceneDrive, OdometryDriftsFromTheTruth) {
  const SceneOptions options = small_scene(60);
  double moved = 0, worst = 0, fastest = 0;
  for (uint64_t seed : {1u, 2u, 3u, 4u}) {
    const auto frames = SceneDrive(options, seed, 0).drive().frames;
    EXPECT_EQ(frames[0].ego_pose, frames[0].true_pose);
    for (size_t i = 1; i < frames.size(); ++i) {
      const double step = norm(frames[i].true_pose.translation() - frames[i - 1].true_pose.translation());
      moved += step;
      fastest = std::max(fastest, step / (frames[i].timestamp - frames[i - 1].timestamp));
      worst = std::max(worst, norm(frames[i].ego_pose.translation() - frames[i].true_pose.translation()));
      EXPECT_TRUE(frames[i].ego_pose.is_rigid(1e-9));
    }
  }
  EXPECT_GT(moved, 30);
  EXPECT_GT(worst, 0.001);
  EXPECT_LT(worst, 1.0);
  EXPECT_LT(fastest, 30 / 3.6 * 1.1);
  SceneOptions exact = options;
  exact.drive.pose_noise = exact.drive.yaw_noise = 0;
  const auto frames = SceneDrive(exact, 2, 0).drive().frames;
  EXPECT_NEAR(norm(frames.back().ego_pose.translation() - frames.back().true_pose.translation()), 0, 1e-9);
}

TEST(SceneDrive, NobodyDrivesThroughTheEgo) {
  for (uint64_t seed = 20; seed < 26; ++seed) {
    const scene::Drive drive = SceneDrive(small_scene(40), seed, 0).drive();
    for (size_t f = 0; f < drive.frames.size(); f += 3) {
      const Pose& pose = drive.frames[f].true_pose;
      const Vec3 centre = pose.apply({(scene::kEgoFront + scene::kEgoRear) / 2, 0, 0});
      const RotatedBox ego = {centre.x, centre.y, scene::kEgoFront - scene::kEgoRear, 2 * scene::kEgoHalfWidth,
                              pose.yaw()};
      for (size_t a = 0; a < drive.actors.size(); ++a) {
        const scene::ActorState& state = drive.frames[f].actors[a];
        if (!state.present) continue;
        const RotatedBox box = {state.position.x, state.position.y, drive.actors[a].length, drive.actors[a].width,
                                state.yaw};
        EXPECT_EQ(intersection_area(ego, box), 0);
      }
    }
  }
}

TEST(LayoutSeed, TrainAndValNeverShareAPlace) {
  std::set<uint64_t> train, val;
  for (uint64_t seed : {0u, 1u, 12345u})
    for (uint64_t i = 0; i < 2000; ++i) {
      train.insert(layout_seed(seed, Split::Train, i));
      val.insert(layout_seed(seed, Split::Val, i));
    }
  EXPECT_EQ(train.size(), 6000u);
  EXPECT_EQ(val.size(), 6000u);
  for (uint64_t place : train) EXPECT_FALSE(val.contains(place));
}

TEST(SceneOptions, NamesWhatIsOutOfRange) {
  const auto message = [](SceneOptions options) -> std::string {
    try {
      validate(options);
    } catch (const UsageError& error) {
      return error.what();
    }
    return "";
  };
  SceneOptions options = small_scene(5);
  EXPECT_EQ(message(options), "");
  options.drive.frames = 0;
  EXPECT_NE(message(options).find("frames is 0"), std::string::npos);
  options = small_scene(5);
  options.night = 2;
  EXPECT_NE(message(options).find("night"), std::string::npos);
  options = small_scene(5);
  options.cameras[1].camera.fx = -1;
  EXPECT_NE(message(options).find("'back'"), std::string::npos);
}

}  // namespace
}  // namespace bevgrad
