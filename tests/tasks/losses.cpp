// Which weight goes to which term of the loss, and what the targets of the whole are.
#include "tasks/losses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "autograd/autograd.h"
#include "base/error.h"
#include "configs/load.h"
#include "nn/losses.h"
#include "tasks/centre/centre_targets.h"
#include "tasks/dynamic_boxes/boxes.h"
#include "tasks/dynamic_boxes/dynamic_boxes.h"
#include "tasks/dynamic_boxes/dynamic_head.h"
#include "tasks/static_map/any_mark.h"
#include "tasks/static_map/instances.h"
#include "tasks/static_map/mark_types.h"
#include "tasks/static_map/static_head.h"
#include "tasks/static_map/static_map.h"
#include "tasks/task_list.h"
#include "tensor/ops.h"
#include "tensor/random.h"

namespace bevgrad {
namespace {

/// A grid of 8 x 6 cells of the feature, two samples, of which one has neither boxes nor instances labelled.
class WeightedLosses : public ::testing::Test {
 protected:
  static configs::Document document(const std::vector<std::string>& more = {}) {
    std::vector<std::string> sets = {"grid.pc_range=[0,-2.4,-3,6.4,2.4,5]",
                                     "loss.static_weight=3",
                                     "loss.dynamic_weight=5",
                                     "loss.lane_focal=0.7",
                                     "loss.lane_dice=0.11",
                                     "loss.lane_any_focal=1.3",
                                     "loss.lane_any_dice=0.17",
                                     "loss.lane_type=0.53",
                                     "loss.road_focal=1.9",
                                     "loss.road_dice=0.23",
                                     "loss.instance_heatmap=0.29",
                                     "loss.instance_box=0.031",
                                     "loss.dynamic_heatmap=0.37",
                                     "loss.dynamic_box=0.41",
                                     "loss.focal_alpha=0.3",
                                     "loss.focal_gamma=1.5",
                                     "loss.lane_class_weights=[1,2,3,1,1,0.5,1,1,1]",
                                     "loss.road_class_weights=[1,4,1,2]"};
    sets.insert(sets.end(), more.begin(), more.end());
    return configs::load({.config = "mini_step1", .sets = sets});
  }

  void SetUp() override {
    Generator random(11);
    const auto map = [&](const char* name, int64_t channels, int64_t scale) {
      output_.set(name, random.normal({2, channels, 6 * scale, 8 * scale}));
    };
    map(kLaneLogits, 9, 4);
    map(kRoadLogits, 4, 4);
    map(kInstanceHeatmap, 4, 2);
    map(kInstanceBox, 6, 2);
    for (const DynamicMap& one : kDynamicMaps)
      map((std::string(kDynamicMapPrefix) + one.name).c_str(), one.channels, 1);
    map((std::string(kDynamicMapPrefix) + "heatmap").c_str(), 8, 1);
    const auto labels = [&](int64_t channels) {
      const Tensor raster = zeros({2, channels, 24, 32}, {.dtype = DType::UInt8});
      for (int64_t i = 0; i < raster.numel(); ++i) raster.data<uint8_t>()[i] = i % 11 == 0 ? 255 : i % 5 == 0 ? 1 : 0;
      return raster;
    };
    batch_.lane = labels(9);
    batch_.road = labels(4);
    batch_.timestamps = {0, 1};
    batch_.keys = {"a", "b"};
    batch_.has_instances = batch_.has_boxes = {true, false};
    batch_.instances = {{{.x = 3.3, .y = 0.5, .w = 1, .h = 0.6, .angle = 2.5, .class_id = 2}}, {}};
    batch_.boxes = {{{.x = 4.5, .y = -0.7, .z = 0.5, .l = 2, .w = 1, .h = 1.5, .yaw = 0.4, .vx = 1, .vy = -2}}, {}};
  }

  NetworkOutput output_;
  Batch batch_;
};

TEST_F(WeightedLosses, AreTheSumOfTheTermsTimesTheirWeights) {
  const configs::Document config = document();
  const TaskList tasks(standard_tasks(), config);
  const Losses losses = compute_losses(output_, batch_, tasks.active());
  const auto term = [&](const std::string& name) {
    for (const auto& [known, value] : losses.terms)
      if (known == name) return value;
    ADD_FAILURE() << name;
    return 0.0;
  };
  // The terms are what the losses give by themselves.
  const std::vector<double> lane_weights = {1, 2, 3, 1, 1, 0.5, 1, 1, 1}, road_weights = {1, 4, 1, 2};
  const Tensor &lane = output_.at(kLaneLogits), &road = output_.at(kRoadLogits);
  const Tensor any = ops::max(lane, 1, true), any_labels = any_mark_labels(batch_.lane);
  EXPECT_NEAR(term("static/lane_focal"), sigmoid_focal_loss(lane, batch_.lane, {0.3, 1.5, lane_weights}).item(), 1e-6);
  EXPECT_NEAR(term("static/lane_dice"), soft_dice_loss(lane, batch_.lane, {1.0, lane_weights}).item(), 1e-6);
  EXPECT_NEAR(term("static/lane_any_focal"), sigmoid_focal_loss(any, any_labels, {0.3, 1.5}).item(), 1e-6);
  EXPECT_NEAR(term("static/lane_any_dice"), soft_dice_loss(any, any_labels).item(), 1e-6);
  const MarkTypes types = mark_types(batch_.lane, lane_weights);
  EXPECT_NEAR(term("static/lane_type"), indexed_cross_entropy(lane, types.cells, types.targets).item(), 1e-6);
  EXPECT_NEAR(term("static/road_focal"), sigmoid_focal_loss(road, batch_.road, {0.3, 1.5, road_weights}).item(), 1e-6);
  EXPECT_NEAR(term("static/road_dice"), soft_dice_loss(road, batch_.road, {1.0, road_weights}).item(), 1e-6);
  const CentreTargets instances = instance_targets(
      batch_, {.x_min = 0, .y_min = -2.4, .cell = 0.4, .rows = 12, .columns = 16}, 4, {true, false, true, true});
  EXPECT_NEAR(term("static/instance_heatmap"),
              gaussian_focal_loss(output_.at(kInstanceHeatmap), instances.heatmap).item(), 1e-6);
  EXPECT_NEAR(term("static/instance_box"),
              indexed_l1_loss(output_.at(kInstanceBox), instances.cells, instances.values).item(), 1e-6);
  const LabelGrid range = {.x_min = 0, .y_min = -2.4, .z_min = -3, .x_max = 6.4, .y_max = 2.4, .z_max = 5, .cell = 0.2};
  const CentreTargets boxes =
      box_targets(batch_, {.x_min = 0, .y_min = -2.4, .cell = 0.8, .rows = 6, .columns = 8}, 8, range);
  const std::string dynamic(kDynamicMapPrefix);
  EXPECT_NEAR(term("dynamic/heatmap"), gaussian_focal_loss(output_.at(dynamic + "heatmap"), boxes.heatmap).item(),
              1e-6);
  double regressed = 0;
  for (const DynamicMap& map : kDynamicMaps) {
    const Tensor wanted = ops::contiguous(ops::narrow(boxes.values, 1, map.first, map.channels));
    const double alone = indexed_l1_loss(output_.at(dynamic + map.name), boxes.cells, wanted).item();
    EXPECT_NEAR(term(std::string("dynamic/") + map.name), alone, 1e-6);
    // CenterPoint's weights: what is velocity counts a fifth.
    regressed += (std::string(map.name) == "vel" ? 0.2 : 1.0) * alone;
  }
  const double expected =
      3 * (0.7 * term("static/lane_focal") + 0.11 * term("static/lane_dice") + 1.3 * term("static/lane_any_focal") +
           0.17 * term("static/lane_any_dice") + 0.53 * term("static/lane_type") + 1.9 * term("static/road_focal") +
           0.23 * term("static/road_dice") + 0.29 * term("static/instance_heatmap") +
           0.031 * term("static/instance_box")) +
      5 * (0.37 * term("dynamic/heatmap") + 0.41 * regressed);
  EXPECT_NEAR(losses.value, expected, 1e-4);
  EXPECT_NEAR(losses.total.item(), expected, 1e-4);
}

TEST_F(WeightedLosses, ATermOfNoWeightIsLoggedAndMovesNothing) {
  const configs::Document config = document({"loss.lane_dice=0", "loss.lane_focal=0", "loss.lane_any_focal=0",
                                             "loss.lane_any_dice=0", "loss.lane_type=0", "tasks.dynamic_task=false"});
  const TaskList tasks(standard_tasks(), config);
  Tensor lane = ops::clone(output_.at(kLaneLogits));
  // What is not finite in a term that counts for nothing does not reach the sum.
  lane.data<float>()[7] = NAN;
  set_requires_grad(lane, true);
  output_.set(kLaneLogits, lane);
  const Losses losses = compute_losses(output_, batch_, tasks.active());
  EXPECT_TRUE(std::isfinite(losses.value));
  const auto names = [&] {
    std::vector<std::string> all;
    for (const auto& [name, value] : losses.terms) all.push_back(name);
    return all;
  }();
  EXPECT_THAT(names, ::testing::ElementsAre("static/lane_focal", "static/lane_dice", "static/road_focal",
                                            "static/road_dice", "static/instance_heatmap", "static/instance_box"));
  EXPECT_FALSE(requires_grad(losses.total));
}

TEST_F(WeightedLosses, NothingToLearnIsAnError) {
  const TaskList tasks(standard_tasks(), document({"tasks.dynamic_task=false", "loss.lane_focal=0", "loss.lane_dice=0",
                                                   "loss.lane_any_focal=0", "loss.lane_any_dice=0", "loss.lane_type=0",
                                                   "loss.road_focal=0", "loss.road_dice=0", "loss.instance_heatmap=0",
                                                   "loss.instance_box=0"}));
  EXPECT_THROW(compute_losses(output_, batch_, tasks.active()), Error);
  EXPECT_THROW(compute_losses(output_, batch_, std::span<const ActiveTask>()), Error);
}

TEST(CentreTargets, AGaussianIsDrawnOverWhatIsThereAlready) {
  CentreTargetBuilder builder(2, 2, {.x_min = 0, .y_min = 0, .cell = 1, .rows = 40, .columns = 50});
  // 10 x 20 cells: a radius of 6, so a deviation of 13/6.
  builder.add(1, 1, 20, 25, 10, 20, {1});
  builder.add(1, 1, 20, 28, 10, 20, {2});
  builder.add(1, 0, 1, 0, 0.5, 0.5, {3});  // small: a radius of at least 2
  const CentreTargets targets = builder.finish(1);
  const double deviation = 13.0 / 6;
  const auto heat = [&](int64_t c, int64_t row, int64_t column) {
    return ops::select(ops::select(ops::select(ops::select(targets.heatmap, 0, 1), 0, c), 0, row), 0, column).item();
  };
  const auto gaussian = [](double squares, double of) { return std::exp(-squares / (2 * of * of)); };
  for (int64_t column = 19; column <= 34; ++column) {
    const double left = column <= 31 ? gaussian(std::pow(column - 25, 2), deviation) : 0,
                 right = column >= 22 ? gaussian(std::pow(column - 28, 2), deviation) : 0;
    EXPECT_NEAR(heat(1, 20, column), std::max(left, right), 1e-6) << column;
  }
  EXPECT_NEAR(heat(1, 23, 27), gaussian(1 + 9, deviation), 1e-6);
  EXPECT_EQ(heat(1, 20, 18), 0);
  EXPECT_EQ(heat(1, 13, 25), 0);
  EXPECT_EQ(heat(1, 27, 28), 0);
  EXPECT_NEAR(heat(0, 1, 2), gaussian(4, 5.0 / 6), 1e-6);
  EXPECT_EQ(heat(0, 1, 3), 0);
  EXPECT_NEAR(heat(0, 3, 0), gaussian(4, 5.0 / 6), 1e-6);
  EXPECT_EQ(targets.cells.to_vector(),
            (std::vector<double>{(40 + 20) * 50 + 25, (40 + 20) * 50 + 28, (40 + 1) * 50 + 0}));
  EXPECT_EQ(targets.values.to_vector(), (std::vector<double>{1, 2, 3}));
}

TEST(InstanceTargets, ASymmetricClassIsFolded) {
  Batch batch;
  batch.timestamps = {0};
  batch.has_instances = {true};
  batch.instances = {{{.x = 1, .y = 1, .w = 1, .h = 1, .angle = 2.5, .class_id = 0},
                      {.x = 3, .y = 3, .w = 1, .h = 1, .angle = 2.5, .class_id = 1}}};
  const std::vector<double> values =
      instance_targets(batch, {.x_min = 0, .y_min = 0, .cell = 0.4, .rows = 12, .columns = 12}, 2, {true, false})
          .values.to_vector();
  EXPECT_NEAR(values[4], std::sin(2.5 - M_PI), 1e-6);
  EXPECT_NEAR(values[5], std::cos(2.5 - M_PI), 1e-6);
  EXPECT_NEAR(values[10], std::sin(2.5), 1e-6);
  EXPECT_NEAR(values[11], std::cos(2.5), 1e-6);
}

TEST(BoxTargets, ASampleWithoutLabelsIsIgnoredAndItsNeighbourIsNot) {
  Batch batch;
  batch.timestamps = {0, 1};
  batch.keys = {"a", "b"};
  batch.has_boxes = {false, true};
  batch.boxes = {{}, {{.x = 1, .y = 1, .l = 2, .w = 1, .h = 1, .class_id = 1}}};
  const CentreTargets targets =
      box_targets(batch, {.x_min = 0, .y_min = 0, .cell = 0.8, .rows = 6, .columns = 6}, 2,
                  {.x_min = 0, .y_min = 0, .z_min = -3, .x_max = 4.8, .y_max = 4.8, .z_max = 5, .cell = 0.2});
  EXPECT_EQ(ops::select(targets.heatmap, 0, 0).to_vector(), std::vector<double>(72, -1));
  const std::vector<double> second = ops::select(targets.heatmap, 0, 1).to_vector();
  EXPECT_EQ(*std::min_element(second.begin(), second.end()), 0);
  EXPECT_EQ(*std::max_element(second.begin(), second.end()), 1);
  EXPECT_EQ(targets.cells.to_vector(), std::vector<double>{36 + 6 + 1});
}

}  // namespace
}  // namespace bevgrad
