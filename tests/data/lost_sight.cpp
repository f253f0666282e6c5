// What is not seen any more when sensors fail.
#include "data/augmentation/lost_sight.h"

#include <gmock/gmock.h>

#include <numbers>

#include "data/augmentation/augmentation.h"
#include "data/loader.h"
#include "data/maps/visibility.h"
#include "data/unseeing_camera.h"
#include "made_data.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

LabelSchema schema() {
  LabelSchema schema;
  schema.grid = {.x_min = -20, .y_min = -20, .x_max = 20, .y_max = 20, .cell = 0.5};
  schema.voxels = {.x_min = -20, .y_min = -20, .z_min = -1, .cell = 1, .levels = 4, .rows = 40, .columns = 40};
  schema.voxel_classes = {"ground", "car"};
  return schema;
}

Camera looking(double yaw) {
  Camera camera = camera_with_fov(CameraKind::Pinhole, 200, 120, 100 * std::numbers::pi / 180);
  camera.sensor2ego = camera_mount({0, 0, 1.5}, yaw * std::numbers::pi / 180, 0.3, 0);
  return camera;
}

Tensor wall() {  // 5 m to the left of the front, 2 m high
  std::vector<float> values;
  for (int i = 0; i <= 40; ++i)
    for (int j = 0; j < 8; ++j)
      values.insert(values.end(), {0.1f * static_cast<float>(i) + 2, 6, 0.3f * static_cast<float>(j), 0.5f});
  Tensor points = empty({static_cast<int64_t>(values.size() / 4), 4});
  std::copy(values.begin(), values.end(), points.data<float>());
  return points;
}

Tensor seen_by(const std::vector<Camera>& cameras, const Tensor& points) {
  VisibilityTracker tracker({.grid = schema().grid, .window = {}, .tolerance = 0.1});
  return tracker.add(0, {}, cameras, points, {});
}

int count(const Tensor& layers, int layer) {
  const int64_t cells = layers.size(1) * layers.size(2);
  const uint8_t* p = layers.data<const uint8_t>() + layer * cells;
  return static_cast<int>(std::count(p, p + cells, 1));
}

TEST(LostSight, IsThatOfTheRigWithoutTheCamera) {
  // Three cameras whose pictures overlap; what two of them see is known by itself.
  const std::vector<Camera> rig = {looking(0), looking(70), looking(200)};
  for (size_t dropped = 0; dropped < 3; ++dropped) {
    Labels labels;
    labels.visibility = seen_by(rig, wall());
    std::vector<CameraBeforeAndAfter> change;
    std::vector<Camera> left;
    for (size_t i = 0; i < 3; ++i) {
      change.push_back({rig[i], i == dropped ? unseeing_camera(rig[i]) : rig[i]});
      if (i != dropped) left.push_back(rig[i]);
    }
    const Tensor whole = labels.visibility;
    const int before = count(whole, kSeenByCameraNow);
    lose_sight(change, false, wall(), schema(), labels);
    const Tensor expected = seen_by(left, wall());
    EXPECT_LT(count(labels.visibility, kSeenByCameraNow), before);
    EXPECT_EQ(labels.visibility.to_vector(), expected.to_vector()) << dropped;
    EXPECT_EQ(count(whole, kSeenByCameraNow), before) << "others may hold the tensor";
  }
}

TEST(LostSight, TheWindowKeepsWhatIsNotOfThisMoment) {
  const std::vector<Camera> rig = {looking(0)};
  Labels labels;
  labels.visibility = seen_by(rig, {});
  uint8_t* window = labels.visibility.data<uint8_t>() + kSeenInWindow * 80 * 80;
  const uint8_t* now = labels.visibility.data<const uint8_t>();
  for (int i = 0; i < 80 * 80; ++i) window[i] = 1;
  const int seen_now = count(labels.visibility, kSeenByCameraNow);
  ASSERT_GT(seen_now, 100);
  lose_sight(std::vector<CameraBeforeAndAfter>{{rig[0], unseeing_camera(rig[0])}}, false, {}, schema(), labels);
  EXPECT_EQ(count(labels.visibility, kSeenByCameraNow), 0);
  EXPECT_EQ(count(labels.visibility, kSeenInWindow), 80 * 80 - seen_now);
  EXPECT_EQ(now[0], 0);
}

TEST(LostSight, OfTheLidarTakesItsLayerAndItsVoxels) {
  const std::vector<Camera> rig = {looking(0)};
  Labels labels;
  labels.visibility = seen_by(rig, wall());
  ASSERT_GT(count(labels.visibility, kSeenByLidarNow), 0);
  labels.voxels = full({4, 40, 40}, 2, {.dtype = DType::UInt8});
  labels.voxels_seen = full({4, 40, 40}, kVoxelSeenByCamera | kVoxelSeenByLidar, {.dtype = DType::UInt8});
  const int by_camera = count(labels.visibility, kSeenByCameraNow);
  lose_sight(std::vector<CameraBeforeAndAfter>{{rig[0], rig[0]}}, true, wall(), schema(), labels);
  EXPECT_EQ(count(labels.visibility, kSeenByLidarNow), 0);
  EXPECT_EQ(count(labels.visibility, kSeenByCameraNow), by_camera);
  EXPECT_EQ(count(labels.visibility, kSeenInWindow), by_camera);
  for (const float bits : labels.voxels_seen.to_vector()) ASSERT_EQ(bits, kVoxelSeenByCamera);
}

TEST(LostSight, OfACameraTakesTheVoxelsThatNoOtherSeesPastWhatFillsThem) {
  // Two cameras at one place look ahead; a third lies 8 m to the right and looks to the left, at a car between.
  Camera right = looking(90);
  right.sensor2ego = camera_mount({8, -8, 1.5}, std::numbers::pi / 2, 0.2, 0);
  const std::vector<Camera> rig = {looking(0), right};
  const LabelSchema s = schema();
  Labels labels;
  labels.voxels = full({4, 40, 40}, 2, {.dtype = DType::UInt8});
  labels.voxels_seen = full({4, 40, 40}, kVoxelSeenByCamera, {.dtype = DType::UInt8});
  const auto index = [&](double x, double y, double z) {
    return s.voxels.index(static_cast<int64_t>(z + 1), static_cast<int64_t>(y + 20), static_cast<int64_t>(x + 20));
  };
  for (const double z : {0.5, 1.5, 2.5}) labels.voxels.data<uint8_t>()[index(8.5, 0.5, z)] = 1;
  lose_sight(std::vector<CameraBeforeAndAfter>{{rig[0], unseeing_camera(rig[0])}, {rig[1], rig[1]}}, false, {}, s,
             labels);
  const uint8_t* seen = labels.voxels_seen.data<const uint8_t>();
  EXPECT_EQ(seen[index(8.5, -2.5, 0.5)], kVoxelSeenByCamera) << "before the car";
  EXPECT_EQ(seen[index(8.5, 0.5, 1.5)], kVoxelSeenByCamera) << "the car";
  EXPECT_EQ(seen[index(8.5, 3.5, 1.5)], 0) << "behind it";
  EXPECT_EQ(seen[index(8.5, -9.5, 1.5)], 0) << "behind the camera that is left";
  EXPECT_EQ(seen[index(-8.5, 3.5, 1.5)], kVoxelSeenByCamera) << "not in the picture of the one that failed";
}

TEST(LostSight, ADroppedCameraSeesNothingAndItsLabelsDoNotCount) {
  AugmentationOptions options;
  options.drop_camera = 1;
  const LabelSchema s = schema();
  Sample sample;
  sample.cameras = {{"front", looking(0), testing::gradient_image(120, 200)}};
  sample.labels.visibility = seen_by({looking(0)}, {});
  sample.labels.lane = zeros({1, 80, 80}, {.dtype = DType::UInt8});
  sample.labels.road = zeros({1, 80, 80}, {.dtype = DType::UInt8});
  ASSERT_GT(count(sample.labels.visibility, kSeenInWindow), 100);
  Augmentation(options, s, 1).apply(sample, 0, 0);
  EXPECT_FALSE(project(sample.cameras[0].camera, {8, 0, 0}).has_value());
  EXPECT_EQ(count(sample.labels.visibility, kSeenInWindow), 0);
  ignore_never_seen(sample.labels);
  for (const float cell : sample.labels.lane.to_vector()) ASSERT_EQ(cell, kIgnoreLabel);
}

TEST(LostSight, WhatAnEnlargedPictureCutsOffIsNotSeen) {
  AugmentationOptions options;
  options.zoom_min = options.zoom_max = 2;
  Sample sample;
  sample.cameras = {{"front", looking(0), testing::gradient_image(120, 200)}};
  sample.labels.visibility = seen_by({looking(0)}, {});
  Augmentation(options, schema(), 1).apply(sample, 0, 0);
  EXPECT_EQ(sample.labels.visibility.to_vector(), seen_by({sample.cameras[0].camera}, {}).to_vector());
}

}  // namespace
}  // namespace bevgrad
