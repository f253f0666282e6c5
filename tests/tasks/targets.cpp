// Heat maps and regressed numbers of known objects.
#include "tasks/centre/centre_targets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "nn/losses.h"
#include "support/devices.h"
#include "tasks/dynamic_boxes/boxes.h"
#include "tasks/static_map/instances.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

const CentreGrid kGrid = {.x_min = -20.8, .y_min = -22.4, .cell = 0.4, .rows = 112, .columns = 208};

Batch batch_of_one() {
  Batch batch;
  batch.timestamps = {0.0};
  batch.keys = {"000001/0001"};
  batch.has_instances = {true};
  batch.instances.resize(1);
  batch.has_boxes = {true};
  batch.boxes.resize(1);
  return batch;
}

double at(const Tensor& map, int64_t c, int64_t row, int64_t column) {
  return ops::select(ops::select(ops::select(ops::select(map, 0, 0), 0, c), 0, row), 0, column).item();
}

TEST(GaussianRadius, OfKnownBoxes) {
  // mmdetection3d's formulas by hand: for 10 x 20 the third root decides, (-6 + sqrt(36 + 288)) / 2.
  EXPECT_NEAR(gaussian_radius(10, 20, 0.1), 6, 1e-12);
  EXPECT_NEAR(gaussian_radius(4, 4, 0.5), (-8 + std::sqrt(128)) / 2, 1e-12);
}

TEST(InstanceTargets, PeakAndNumbersAtTheCentre) {
  Batch batch = batch_of_one();
  batch.instances[0].push_back({.x = 10.3, .y = -5.05, .w = 5, .h = 2.5, .angle = 0.3, .class_id = 2});
  const CentreTargets targets = instance_targets(batch, kGrid, 4, {true, false, true, true});
  const int64_t row = 43, column = 77;
  EXPECT_EQ(targets.cells.to_vector(), std::vector<double>({static_cast<double>(row * 208 + column)}));
  EXPECT_FLOAT_EQ(at(targets.heatmap, 2, row, column), 1.0);
  EXPECT_LT(at(targets.heatmap, 2, row, column + 1), 1.0);
  EXPECT_GT(at(targets.heatmap, 2, row, column + 1), 0.3);
  EXPECT_EQ(at(targets.heatmap, 1, row, column), 0.0);
  const std::vector<double> values = targets.values.to_vector();
  EXPECT_NEAR(values[0], (10.3 + 20.8) / 0.4 - 77.5, 1e-5);
  EXPECT_NEAR(values[1], (-5.05 + 22.4) / 0.4 - 43.5, 1e-5);
  EXPECT_NEAR(values[2], std::log(5), 1e-6);
  EXPECT_NEAR(values[4], std::sin(0.3), 1e-6);
}

TEST(InstanceTargets, WhatIsLearnedDecodesToTheSame) {
  Batch batch = batch_of_one();
  batch.instances[0].push_back({.x = 10.3, .y = -5.05, .w = 5, .h = 2.5, .angle = -2.0, .class_id = 1});
  const CentreTargets targets = instance_targets(batch, kGrid, 4, {true, false, true, true});
  Tensor logits = full({1, 4, kGrid.rows, kGrid.columns}, -10), box = zeros({1, 6, kGrid.rows, kGrid.columns});
  const auto cell = static_cast<int64_t>(targets.cells.item());
  logits.data<float>()[1 * kGrid.rows * kGrid.columns + cell] = 5;
  for (int64_t c = 0; c < 6; ++c)
    box.data<float>()[c * kGrid.rows * kGrid.columns + cell] = targets.values.data<float>()[c];
  const std::vector<double> row = decode_instances(logits, box).instances.to_vector();
  EXPECT_NEAR(row[0], 10.3, 1e-4);
  EXPECT_NEAR(row[1], -5.05, 1e-4);
  EXPECT_NEAR(row[2], 5, 1e-4);
  EXPECT_NEAR(row[3], 2.5, 1e-4);
  EXPECT_NEAR(row[4], -2.0, 1e-4);
  EXPECT_EQ(row[5], 1);
}

TEST(InstanceTargets, EveryDeviceDrawsTheSame) {
  Batch batch;
  batch.timestamps = {0, 0, 0};
  batch.has_instances = {true, false, true};
  batch.instances.resize(3);
  // Two that overlap, one cut off by the border, another class in the same place.
  for (const double x : {10.3, 11.5})
    batch.instances[0].push_back({.x = x, .y = -5.05, .w = 5, .h = 2.5, .angle = 0.3, .class_id = 2});
  batch.instances[0].push_back({.x = 10.3, .y = -5.05, .w = 3, .h = 3, .angle = 0, .class_id = 0});
  batch.instances[2].push_back({.x = -20.7, .y = -22.3, .w = 8, .h = 8, .angle = 0, .class_id = 3});
  const Tensor expected = instance_targets(batch, kGrid, 4, {true, false, true, true}).heatmap;
  for (const Device device : test_devices()) {
    const Tensor heatmap = instance_targets(batch, kGrid, 4, {true, false, true, true}, device).heatmap;
    EXPECT_EQ(heatmap.device(), device);
    const std::vector<double> a = heatmap.to_vector(), b = expected.to_vector();
    for (size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 1e-6) << i;
  }
}

TEST(BoxTargets, WhatIsLearnedDecodesToTheSame) {
  const CentreGrid grid = {.x_min = -20.8, .y_min = -22.4, .cell = 0.8, .rows = 56, .columns = 104};
  Batch batch = batch_of_one();
  batch.boxes[0].push_back(
      {.x = 12.1, .y = 3.3, .z = 0.9, .l = 4.5, .w = 1.9, .h = 1.6, .yaw = 2.5, .vx = 3, .vy = -1, .class_id = 0});
  const CentreTargets targets = box_targets(batch, grid, 8, {});
  std::map<std::string, Tensor> maps;
  maps["heatmap"] = full({1, 8, grid.rows, grid.columns}, -10);
  const auto cell = static_cast<int64_t>(targets.cells.item());
  maps["heatmap"].data<float>()[cell] = 5;
  for (const DynamicMap& map : kDynamicMaps) {
    Tensor values = zeros({1, map.channels, grid.rows, grid.columns});
    for (int64_t c = 0; c < map.channels; ++c)
      values.data<float>()[c * grid.rows * grid.columns + cell] = targets.values.data<float>()[map.first + c];
    maps[map.name] = values;
  }
  const std::vector<double> row = decode_boxes(maps).to_vector();
  const double expected[] = {12.1, 3.3, 0.9, 4.5, 1.9, 1.6, 2.5, 3, -1};
  for (size_t i = 0; i < 9; ++i) EXPECT_NEAR(row[i], expected[i], 1e-4) << i;
}

TEST(BoxTargets, UnknownVelocityIsNoTarget) {
  const CentreGrid grid = {.x_min = -20.8, .y_min = -22.4, .cell = 0.8, .rows = 56, .columns = 104};
  Batch batch = batch_of_one();
  const Box3d known = {.x = 0.4, .y = 0.4, .l = 4, .w = 2, .h = 1.5, .vx = 3, .vy = -1};
  Box3d unknown = known;
  unknown.x = 12.4, unknown.has_velocity = false, unknown.vx = unknown.vy = 0;
  batch.boxes[0] = {known, unknown};
  const CentreTargets targets = box_targets(batch, grid, 8, {});
  const std::vector<double> values = targets.values.to_vector();
  ASSERT_EQ(values.size(), 20u);
  EXPECT_EQ(values[8], 3);
  EXPECT_TRUE(std::isnan(values[18]) && std::isnan(values[19]));
  // Against a map of ones: |1 - 3| + |1 + 1| of the known one, over two boxes.
  const Tensor wanted = ops::contiguous(ops::narrow(targets.values, 1, 8, 2));
  EXPECT_NEAR(indexed_l1_loss(full({1, 2, 56, 104}, 1.0), targets.cells, wanted).item(), 2.0, 1e-6);
}

TEST(BoxTargets, BoxesWithoutPointsOrOutOfRangeAreNoTargets) {
  const CentreGrid grid = {.x_min = -20.8, .y_min = -22.4, .cell = 0.8, .rows = 56, .columns = 104};
  Batch batch = batch_of_one();
  const Box3d box = {.x = 0.4, .y = 0.4, .z = 1, .l = 4, .w = 2, .h = 1.5, .num_lidar_points = 1};
  Box3d uncounted = box, empty = box, high = box, outside = box;
  uncounted.x = 8.4, uncounted.num_lidar_points = -1;
  empty.x = 16.4, empty.num_lidar_points = 0;
  high.x = 24.4, high.z = 5.5;
  outside.x = 62.41;
  batch.boxes[0] = {box, uncounted, empty, high, outside};
  const CentreTargets targets = box_targets(batch, grid, 8, {});
  // Row 28; columns (0.4 + 20.8) / 0.8 = 26.5 and (8.4 + 20.8) / 0.8 = 36.5.
  EXPECT_EQ(targets.cells.to_vector(), std::vector<double>({28 * 104 + 26, 28 * 104 + 36}));
  EXPECT_EQ(at(targets.heatmap, 0, 28, 46), 0.0) << "where the empty box stands nothing is to be found";
  EXPECT_EQ(at(targets.heatmap, 0, 28, 56), 0.0);
}

TEST(Targets, OutsideTheGridAndUnlabelled) {
  Batch batch = batch_of_one();
  batch.instances[0].push_back({.x = 70, .y = 0, .w = 1, .h = 1, .angle = 0, .class_id = 0});
  EXPECT_EQ(instance_targets(batch, kGrid, 4, {true, true, true, true}).cells.numel(), 0);
  batch.has_instances[0] = false;
  EXPECT_EQ(at(instance_targets(batch, kGrid, 4, {true, true, true, true}).heatmap, 3, 5, 5), -1.0);
}

TEST(Targets, ImpossibleLabelsNameTheSample) {
  Batch batch = batch_of_one();
  batch.instances[0].push_back({.x = 0, .y = 0, .w = 1, .h = 1, .angle = 0, .class_id = 4});
  try {
    instance_targets(batch, kGrid, 4, {true, true, true, true});
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("000001/0001"));
  }
  batch.instances[0][0] = {.x = 0, .y = 0, .w = 0, .h = 1, .angle = 0, .class_id = 0};
  EXPECT_THROW(instance_targets(batch, kGrid, 4, {true, true, true, true}), Error);
}

}  // namespace
}  // namespace bevgrad
