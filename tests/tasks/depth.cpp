// The depth task: what is learned from LiDAR points, what is measured, and that it has no head.
#include "tasks/depth/depth.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "autograd/batch_sync.h"
#include "configs/load.h"
#include "models/camera/lift_splat.h"
#include "support/error_of.h"
#include "tasks/depth/depth_error.h"
#include "tasks/depth/depth_maps.h"
#include "tasks/losses.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

using ::testing::HasSubstr;

constexpr DepthBins kBins = {.start = 1, .step = 1, .count = 8};

/// Looks along x from (1, 0, 0), 8 x 4 pixels; a map of 4 x 2.
Camera camera() {
  Camera camera = camera_with_fov(CameraKind::Pinhole, 8, 4, 1.5);
  camera.sensor2ego = camera_mount({1, 0, 0}, 0, 0, 0);
  return camera;
}

Tensor points(const std::vector<double>& values) {
  return from_values(values, {static_cast<int64_t>(values.size()) / 4, 4});
}

configs::Document document(std::vector<std::string> sets = {}) {
  for (const char* set :
       {"tasks.depth.on=true", "tasks.depth.weight=2", "tasks.dynamic_task=false", "network.view_transform=LiftSplat",
        "network.lift_splat.depth_min=1", "network.lift_splat.depth_max=9", "network.lift_splat.depth_step=1"})
    sets.insert(sets.begin(), set);
  return configs::load({.config = "mini_step1", .sets = sets});
}

/// One sample, one group of one camera. Left and right half of the map see points at 3.5 and 6.5 m.
struct Frame {
  Batch batch;
  NetworkOutput output;
  EvaluationFrame labels;

  explicit Frame(double right_logit) {
    batch.timestamps = {0};
    batch.keys = {"a"};
    batch.cameras = {{camera()}};
    batch.points = {points({4.45, 0.5, 0.1, 0, 7.4, -1.1, 0.1, 0, 9, 0.9, 0.2, 0, -5, 0, 0, 0})};
    const Tensor logits = zeros({1, 1, 8, 2, 4});
    for (int64_t pixel = 0; pixel < 8; ++pixel) logits.data<float>()[(pixel % 4 < 2 ? 2 : 5) * 8 + pixel] = 30;
    for (int64_t pixel : {2, 3, 6, 7}) logits.data<float>()[7 * 8 + pixel] = static_cast<float>(right_logit);
    output.set(kBevCamera, zeros({1, 1, 2, 2}));
    output.set(std::string(kDepthLogits) + "0", logits);
  }
};

TEST(DepthMaps, TheNearestPointOfAPixelCounts) {
  const Raster<float> depth =
      measured_depth(points({4, 0.5, 0.1, 0, 3, 0.33, 0.07, 0, 11, -3.1, -1, 0, -4, 0, 0, 0}), camera(), 2, 4);
  int known = 0;
  for (const float d : depth.values) known += !std::isnan(d);
  EXPECT_EQ(known, 2);
  EXPECT_NEAR(depth.at(0, 0, 1), std::hypot(2, 0.33, 0.07), 1e-5);
  EXPECT_NEAR(depth.at(0, 1, 2), std::hypot(10, 3.1, 1), 1e-5);
  EXPECT_EQ(kBins.bin_of(0.99), -1);
  EXPECT_EQ(kBins.bin_of(8.99), 7);
  EXPECT_EQ(kBins.bin_of(9), -1);
}

TEST(DepthTask, LearnsTheBinsOfPixelsWithPointsAlone) {
  const TaskList tasks({depth_task()}, document());
  EXPECT_TRUE(tasks.heads().empty());
  const Frame right(-30), wrong(60);
  EXPECT_NEAR(compute_losses(right.output, right.batch, tasks.active()).value, 0, 1e-6);
  const Losses losses = compute_losses(wrong.output, wrong.batch, tasks.active());
  ASSERT_EQ(losses.terms.size(), 1u);
  EXPECT_EQ(losses.terms[0].first, "depth/bins");
  // Of two pixels with a point one has 30 more for another bin.
  EXPECT_NEAR(losses.terms[0].second, 15, 1e-4);
  EXPECT_NEAR(losses.value, 30, 1e-4);

  Frame empty(60);
  empty.batch.points = {zeros({0, 4})};
  EXPECT_EQ(compute_losses(empty.output, empty.batch, tasks.active()).value, 0);
}

TEST(DepthTask, ValuesOfSeveralProcessesAddUp) {
  const TaskList tasks({depth_task()}, document());
  const Frame frame(60);
  BatchSync sync;
  sync.processes = 2;
  sync.sum = [](std::span<double> sums) {
    for (double& sum : sums) sum *= 2;
  };
  const BatchSyncGuard guard(&sync);
  EXPECT_NEAR(compute_losses(frame.output, frame.batch, tasks.active()).value, 15, 1e-4);
}

TEST(DepthTask, AnotherViewTransformIsNamed) {
  const TaskList tasks({depth_task()}, document());
  Frame frame(0);
  NetworkOutput without;
  without.set(kBevCamera, zeros({1, 1, 2, 2}));
  const auto losses = [&] { compute_losses(without, frame.batch, tasks.active()); };
  EXPECT_THAT(testing::error_of(losses), HasSubstr("network.view_transform gives no depth maps"));
  frame.output.set(std::string(kDepthLogits) + "0", zeros({1, 1, 7, 2, 4}));
  const auto other_bins = [&] { compute_losses(frame.output, frame.batch, tasks.active()); };
  EXPECT_THAT(testing::error_of(other_bins), HasSubstr("expected 8 bins"));
}

TEST(DepthTask, OptionsThatCannotBeAreRefused) {
  const auto refused = [](const std::string& set) {
    return testing::error_of([&] { TaskList({depth_task()}, document({set})); });
  };
  EXPECT_THAT(refused("feature_cache.enabled=true"), HasSubstr("tasks.depth.on"));
  EXPECT_THAT(refused("tasks.depth.weight=-1"), HasSubstr("tasks.depth.weight"));
}

TEST(DepthError, IsCountedByDistanceAndMerged) {
  const Frame right(-30), wrong(60);
  DepthError a(kBins), b(kBins);
  a.add({right.labels, right.output, right.batch});
  b.add({wrong.labels, wrong.output, wrong.batch});
  EXPECT_NEAR(a.headline().at("depth_error"), 0, 0.1);
  EXPECT_EQ(a.headline().at("depth_within"), 1);
  a.merge(b.state());
  const Table table = a.tables().at(0);
  EXPECT_EQ(std::get<int64_t>(table.find({"all"}, "pixels")), 4);
  EXPECT_EQ(std::get<int64_t>(table.find({"0 to 10"}, "pixels")), 4);
  // One of four is 2 m too far.
  EXPECT_NEAR(std::get<double>(table.find({"all"}, "error")), 0.5, 0.1);
  EXPECT_EQ(std::get<double>(table.find({"all"}, "within_1.25")), 0.75);
  EXPECT_EQ(table.find({"above 40"}, "error"), no_value());
}

}  // namespace
}  // namespace bevgrad
