#include "data/maps/visibility.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numbers>

namespace bevgrad {
namespace {

VisibilityOptions options() {
  return {.grid = {.x_min = 0, .y_min = -5, .x_max = 20, .y_max = 5, .cell = 0.5}, .window = {1}, .tolerance = 0.1};
}

int seen(const Tensor& layers, int layer, double x, double y) {
  const int64_t row = static_cast<int64_t>((y + 5) / 0.5), column = static_cast<int64_t>(x / 0.5);
  return layers.data<const uint8_t>()[(layer * 20 + row) * 40 + column];
}

/// 1.5 m up, ahead, 90 degrees wide.
Camera ahead() {
  Camera camera = camera_with_fov(CameraKind::Pinhole, 200, 200, std::numbers::pi / 2);
  camera.sensor2ego = camera_mount({0, 0, 1.5}, 0, 0, 0);
  return camera;
}

/// Returns at x = 8 from y = 0 to 0.5, and one from the ground at y = 3.
Tensor wall(float height) {
  std::vector<float> values = {8, 3.02f, 0, 0.5f};
  for (int i = 0; i <= 10; ++i) values.insert(values.end(), {8, 0.05f * static_cast<float>(i), height, 0.5f});
  Tensor points = empty({static_cast<int64_t>(values.size() / 4), 4});
  std::copy(values.begin(), values.end(), points.data<float>());
  return points;
}

TEST(Visibility, ACameraSeesItsViewDownToWhatStandsInTheWay) {
  VisibilityTracker tracker(options());
  const std::vector<Camera> cameras = {ahead()};
  const Tensor layers = tracker.add(0, {}, cameras, wall(1), {});
  EXPECT_EQ(seen(layers, kSeenByCameraNow, 6, 0.05), 1) << "before the wall";
  EXPECT_EQ(seen(layers, kSeenByCameraNow, 10, 0.05), 0) << "behind it";
  EXPECT_EQ(seen(layers, kSeenByCameraNow, 12, 4.6), 1) << "behind the return of the ground";
  EXPECT_EQ(seen(layers, kSeenByCameraNow, 1, 4), 0) << "outside the view";
  EXPECT_EQ(seen(layers, kSeenByLidarNow, 8, 3.2), 1);
  EXPECT_EQ(seen(layers, kSeenByLidarNow, 8.6, 3.6), 1) << "the cells around count";
  EXPECT_EQ(seen(layers, kSeenByLidarNow, 9.6, 3.2), 0);
}

TEST(Visibility, LowThingsHideOnlyWhatTheyCover) {
  VisibilityTracker tracker(options());
  const std::vector<Camera> cameras = {ahead()};
  // 0.75 m high at 8 m: the line of sight over it meets the ground at 16 m.
  const Tensor layers = tracker.add(0, {}, cameras, wall(0.75f), {});
  EXPECT_EQ(seen(layers, kSeenByCameraNow, 14, 0.05), 0);
  EXPECT_EQ(seen(layers, kSeenByCameraNow, 17, 0.05), 1);
}

TEST(Visibility, WhatMovesMarksNoGround) {
  VisibilityTracker tracker(options());
  const std::vector<Box3d> boxes = {{.x = 8, .y = 0, .z = 0.75, .l = 4, .w = 2, .h = 1.5}};
  const Tensor layers = tracker.add(0, {}, {}, from_values({8, 0.1f, 0.7f, 0.5f, 12, 0.1f, 0.7f, 0.5f}, {2, 4}), boxes);
  EXPECT_EQ(seen(layers, kSeenByLidarNow, 8, 0.1), 0);
  EXPECT_EQ(seen(layers, kSeenByLidarNow, 12, 0.1), 1);
}

TEST(Visibility, TheWindowHoldsWhatEarlierFramesSaw) {
  VisibilityTracker tracker(options());
  const Tensor nothing = from_values({1, 1, 10, 0}, {1, 4});
  tracker.add(0, {}, {}, from_values({10, 0.1f, 0, 0.5f}, {1, 4}), {});
  const Tensor later = tracker.add(1.05, Pose::from_yaw(4, 0, 0, 0), {}, nothing, {});
  EXPECT_EQ(seen(later, kSeenByLidarNow, 6, 0.1), 0);
  EXPECT_EQ(seen(later, kSeenInWindow, 6, 0.1), 1) << "four metres on";
  EXPECT_EQ(seen(later, kSeenInWindow, 10, 0.1), 0);
  const Tensor last = tracker.add(1.5, Pose::from_yaw(4, 0, 0, 0), {}, nothing, {});
  EXPECT_EQ(seen(last, kSeenInWindow, 6, 0.1), 0) << "no frame is a second old";
}

}  // namespace
}  // namespace bevgrad
