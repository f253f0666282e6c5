// The attribute task: head and losses against PyTorch (tests/golden/models/make_attributes.py), what counts, what is
// decoded, measured and drawn.
#include "tasks/attributes/attributes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "autograd/batch_sync.h"
#include "autograd/functions/pointwise.h"
#include "autograd/gradcheck.h"
#include "configs/load.h"
#include "support/devices.h"
#include "support/error_of.h"
#include "support/golden.h"
#include "tasks/attributes/attribute_accuracy.h"
#include "tasks/attributes/attribute_head.h"
#include "tasks/attributes/decode.h"
#include "tasks/attributes/targets.h"
#include "tasks/attributes/view.h"
#include "tasks/task_list.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

using ::testing::ElementsAre;
using testing::golden_tensor;
using ::testing::HasSubstr;
using testing::relative_error;

/// As the golden file's: a map of 4 x 6 cells of a metre.
const LabelGrid kRange = {.x_min = 0, .y_min = 0, .z_min = -3, .x_max = 6, .y_max = 4, .z_max = 5, .cell = 0.25};

AttributeSet boxes() {
  return {{{"motion", {"moving", "stopped", "parked"}}, {"brake_light", {"off", "on"}, {"car"}}},
          {1, 0.5},
          {"car", "person"}};
}

AttributeSet lanes() {
  return {{{"color", {"white", "yellow"}}}, {2}, {"Solid", "Dashed"}};
}

Box3d box(double x, double y, int class_id, std::vector<int> attributes) {
  return {.x = x,
          .y = y,
          .z = 0.5,
          .l = 1,
          .w = 1,
          .h = 1,
          .class_id = class_id,
          .num_lidar_points = 5,
          .attributes = std::move(attributes)};
}

/// What make_attributes.py calls known, among what is not: a kind that is not said of the class, cells of which two
/// marks disagree, boxes without a LiDAR point or out of the range.
Batch golden_batch() {
  Batch batch;
  batch.timestamps = {0, 1};
  batch.keys = {"a", "b"};
  batch.has_boxes = {true, true};
  batch.boxes = {{box(1.5, 0.5, 0, {2, 1}), box(5.5, 3.5, 0, {0, -1}), box(5.2, 3.9, 1, {1, 0}), box(2.5, 1.5, 0, {}),
                  box(7, 1, 0, {0, 0})},
                 {box(2.5, 2.5, 0, {1, 0}), box(0.5, 0.5, 0, {2, 1})}};
  batch.boxes[1][1].num_lidar_points = 0;
  batch.lane_shapes = {{{0, false, 0.1, {{0.1, 1.5}, {2.9, 1.5}}, {0}}, {1, false, 0.1, {{3.5, 0.5}, {3.5, 3.5}}, {}}},
                       {{1, false, 0.1, {{4.5, 0.1}, {4.5, 3.9}}, {1}},
                        {0, false, 0.1, {{0.5, 0.5}, {0.6, 0.6}}, {0}},
                        {0, false, 0.1, {{0.7, 0.7}, {0.6, 0.6}}, {1}}}};
  return batch;
}

NetworkOutput output_of(const NamedTensors& maps) {
  NetworkOutput output;
  for (const auto& [name, map] : maps) output.set(name, map);
  return output;
}

TEST(AttributeHead, AndLossesArePyTorchs) {
  const auto golden = testing::load_golden("models/attributes.golden");
  Generator generator(1);
  AttributeHead head(5, {.channels = 6, .box_scores = 5, .lane_scores = 2}, generator);
  for (const Device device : test_devices()) {
    SCOPED_TRACE(to_string(device));
    testing::golden_fill(head.state_dict("head"));
    head.move_to(device);
    const Tensor feature = ops::to(golden_tensor("head.feature", {2, 5, 4, 6}), device);
    set_requires_grad(feature, true);
    const NamedTensors maps = head.forward(feature);
    ASSERT_EQ(maps.size(), 2u);
    EXPECT_EQ(maps[0].first, kBoxAttributeLogits);
    EXPECT_LT(relative_error(detach(maps[0].second), golden.at("box")), 2e-5);
    EXPECT_LT(relative_error(detach(maps[1].second), golden.at("lane")), 2e-5);
    const auto terms = attribute_losses(output_of(maps), golden_batch(), boxes(), lanes(), kRange);
    ASSERT_EQ(terms.size(), 3u);
    const char* names[] = {"box_motion", "box_brake", "lane_color"};
    Tensor total;
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_NEAR(terms[i].value.item(), golden.at(names[i]).item(), 1e-5) << terms[i].name;
      const Tensor weighted = mul(terms[i].value, terms[i].weight);
      total = total.defined() ? add(total, weighted) : weighted;
    }
    EXPECT_EQ(terms[1].name, "box_brake_light");
    EXPECT_EQ(terms[1].weight, 0.5);
    EXPECT_EQ(terms[2].weight, 2);
    backward(total);
    EXPECT_LT(relative_error(grad(feature), golden.at("d.feature")), 1e-4);
    for (const auto& [name, parameter] : head.named_parameters()) {
      EXPECT_LT(relative_error(grad(parameter), golden.at("grad." + name)), 1e-4) << name;
      set_grad(parameter, {});
    }
    for (int64_t n = 0; n < 2; ++n) {
      const ProbabilityRaster said =
          attribute_probabilities(ops::to(detach(maps[0].second), Device()), n, boxes().kinds);
      const std::vector<double> wanted = ops::select(golden.at("probabilities"), 0, n).to_vector();
      for (size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(said.values[i], wanted[i], 1e-5);
    }
  }
}

TEST(AttributeHead, HasNoMapOfWhatHasNoKinds) {
  Generator generator(1);
  AttributeHead head(5, {.channels = 6, .box_scores = 0, .lane_scores = 2}, generator);
  for (const auto& [name, parameter] : head.named_parameters()) EXPECT_THAT(name, ::testing::Not(HasSubstr("box")));
  EXPECT_EQ(head.forward(zeros({1, 5, 4, 6})).size(), 1u);
}

TEST(AttributeLosses, PassGradcheck) {
  const Batch batch = golden_batch();
  const auto total = [&](const std::vector<Tensor>& x) {
    NetworkOutput output;
    output.set(kBoxAttributeLogits, x[0]);
    output.set(kLaneAttributeLogits, x[1]);
    Tensor sum;
    for (const LossTerm& term : attribute_losses(output, batch, boxes(), lanes(), kRange))
      sum = sum.defined() ? add(sum, term.value) : term.value;
    return sum;
  };
  EXPECT_EQ(gradcheck("attributes", total,
                      {ops::to(golden_tensor("b", {2, 5, 4, 6}), DType::Float64),
                       ops::to(golden_tensor("l", {2, 2, 4, 6}), DType::Float64)}),
            "");
}

TEST(AttributeLosses, WhatNobodySaysIsNotLearned) {
  Batch batch = golden_batch();
  for (auto& list : batch.boxes)
    for (Box3d& one : list) one.attributes.clear();
  for (auto& list : batch.lane_shapes)
    for (LabelShape& one : list) one.attributes.clear();
  NetworkOutput output;
  const Tensor box_logits = golden_tensor("b", {2, 5, 4, 6}), lane_logits = golden_tensor("l", {2, 2, 4, 6});
  set_requires_grad(box_logits, true);
  output.set(kBoxAttributeLogits, box_logits);
  output.set(kLaneAttributeLogits, lane_logits);
  const auto terms = attribute_losses(output, batch, boxes(), lanes(), kRange);
  for (const LossTerm& term : terms) EXPECT_EQ(term.value.item(), 0) << term.name;
  backward(terms[0].value);
  for (const double value : grad(box_logits).to_vector()) ASSERT_EQ(value, 0);
}

TEST(AttributeTargets, ACellOfTwoColoursIsNobodys) {
  const KindTargets targets = lane_targets_of(golden_batch(), lanes(), 0, kRange, 4, 6);
  // Sample 0: row 1, columns 0 to 2. Sample 1: column 4; cell 0 is both white and yellow.
  EXPECT_THAT(targets.cells, ElementsAre(6, 7, 8, 24 + 4, 24 + 10, 24 + 16, 24 + 22));
  EXPECT_THAT(targets.values, ElementsAre(0, 0, 0, 1, 1, 1, 1));
}

/// Logits that say `value` of a kind whose channels begin at `first`, in every cell.
void say(Tensor& logits, int64_t n, int64_t first, int64_t value, int64_t row = -1, int64_t column = -1) {
  for (int64_t r = 0; r < logits.size(2); ++r)
    for (int64_t c = 0; c < logits.size(3); ++c) {
      if ((row >= 0 && r != row) || (column >= 0 && c != column)) continue;
      float* base = logits.data<float>() + n * logits.stride(0) + r * logits.stride(2) + c * logits.stride(3);
      base[(first + value) * logits.stride(1)] = 4;
    }
}

TEST(AttributeDecoding, SaysOfABoxWhatItsCellSays) {
  Tensor logits = zeros({1, 5, 4, 6});
  say(logits, 0, 0, 2, 2, 3);
  say(logits, 0, 3, 1, 2, 3);
  Tensor rows = full({1, 3, 11}, std::nan(""));
  const auto put = [&](int64_t row, double x, double y, int class_id) {
    float* to = rows.data<float>() + row * 11;
    for (int i = 0; i < 10; ++i) to[i] = 1;
    to[0] = static_cast<float>(x), to[1] = static_cast<float>(y), to[10] = static_cast<float>(class_id);
  };
  put(0, 3.9, 2.1, 0);
  put(1, 3.5, 2.5, 1);
  rows.data<float>()[2 * 11 + 10] = -1;
  const NamedTensors tables = box_attribute_tables(logits, rows, boxes(), kRange);
  ASSERT_EQ(tables[0].first, "box_attributes");
  EXPECT_EQ(tables[0].second.to_vector(), (std::vector<double>{2, 1, 2, -1, -1, -1}));
  const std::vector<double> scores = tables[1].second.to_vector();
  EXPECT_NEAR(scores[0], std::exp(4.0) / (std::exp(4.0) + 2), 1e-5);
  EXPECT_NEAR(scores[1], std::exp(4.0) / (std::exp(4.0) + 1), 1e-5);
  EXPECT_EQ(scores[3], 0);
  // A line takes the mean over its cells: two of white and one that is sure of yellow.
  ProbabilityRaster colors(2, 4, 6, 0.5f);
  for (const int64_t c : {0, 1}) colors.at(0, 1, c) = 0.8f, colors.at(1, 1, c) = 0.2f;
  colors.at(0, 1, 2) = 0, colors.at(1, 1, 2) = 1;
  const auto said = attributes_along(colors, kRange, lanes().kinds, "Solid",
                                     std::vector<Vec2>{{0.5, 1.5}, {1.5, 1.5}, {2.5, 1.5}, {-9, 0}});
  EXPECT_EQ(said[0].value, 0);
  EXPECT_NEAR(said[0].probability, 1.6 / 3, 1e-6);
  EXPECT_EQ(attributes_along(colors, kRange, lanes().kinds, "Solid", std::vector<Vec2>{{-9, 0}})[0].value, -1);
}

TEST(AttributeAccuracy, JudgesMatchedAndLabelledObjectsAndMerges) {
  const Batch batch = golden_batch();
  NetworkOutput output;
  Tensor box_logits = zeros({2, 5, 4, 6}), lane_logits = zeros({2, 2, 4, 6});
  say(box_logits, 0, 0, 2);  // all are parked and brake
  say(box_logits, 0, 3, 1);
  say(lane_logits, 0, 0, 0);
  output.set(kBoxAttributeLogits, box_logits);
  output.set(kLaneAttributeLogits, lane_logits);
  EvaluationFrame frame;
  // The first car is found, and so is the person; the second car is 2 m off.
  for (const Box3d& found : {box(1.9, 0.9, 0, {2, 1}), box(5.5, 1.5, 0, {0, 0}), box(5.2, 3.5, 1, {2, -1})})
    frame.boxes.push_back({found, 0.5});
  AttributeAccuracy metric(boxes(), lanes(), kRange, 0.3f, 10);
  metric.add({frame, output, batch, 0});
  const auto value = [](const AttributeAccuracy& from, const std::vector<std::string>& keys, const char* column) {
    return from.tables()[0].find(keys, column);
  };
  EXPECT_EQ(std::get<int64_t>(value(metric, {"box", "motion", "matched"}, "objects")), 2);
  EXPECT_DOUBLE_EQ(std::get<double>(value(metric, {"box", "motion", "matched"}, "accuracy")), 0.5);
  // Of parked all, of stopped none is right; nothing that moves is matched.
  EXPECT_DOUBLE_EQ(std::get<double>(value(metric, {"box", "motion", "matched"}, "balanced_accuracy")), 0.5);
  EXPECT_EQ(std::get<int64_t>(value(metric, {"box", "brake_light", "matched"}, "objects")), 1);
  EXPECT_EQ(std::get<int64_t>(value(metric, {"box", "motion", "labelled"}, "objects")), 3);
  EXPECT_DOUBLE_EQ(std::get<double>(value(metric, {"box", "motion", "labelled"}, "accuracy")), 1.0 / 3);
  EXPECT_DOUBLE_EQ(std::get<double>(value(metric, {"box", "motion", "labelled"}, "balanced_accuracy")), 1.0 / 3);
  EXPECT_EQ(std::get<int64_t>(value(metric, {"lane", "color", "labelled"}, "objects")), 1);
  EXPECT_EQ(std::get<int64_t>(value(metric, {"lane", "color", "matched"}, "objects")), 0);
  EXPECT_EQ(std::get<int64_t>(metric.tables()[1].find({"box", "motion", "parked", "labelled"}, "predicted")), 3);
  AttributeAccuracy other(boxes(), lanes(), kRange, 0.3f, 10);
  other.merge(metric.state());
  other.merge(metric.state());
  EXPECT_EQ(std::get<int64_t>(value(other, {"box", "motion", "labelled"}, "objects")), 6);
  EXPECT_DOUBLE_EQ(other.headline().at("box_attributes_labelled"), (1.0 / 3 + 1) / 2);
  EXPECT_FALSE(other.headline().contains("lane_attributes"));
  EXPECT_TRUE(AttributeAccuracy(boxes(), lanes(), kRange, 0.3f, 10).headline().empty());
}

TEST(AttributeAccuracy, ALineIsJudgedWhereAPredictedOneRunsAlongIt) {
  const Batch batch = golden_batch();
  NetworkOutput output;
  Tensor lane_logits = zeros({2, 2, 4, 6});
  say(lane_logits, 1, 0, 1);
  output.set(kBoxAttributeLogits, zeros({2, 5, 4, 6}));
  output.set(kLaneAttributeLogits, lane_logits);
  EvaluationFrame frame;
  frame.lane = ProbabilityRaster(2, 16, 24);
  for (int64_t row = 0; row < 16; ++row) frame.lane.at(1, row, 19) = 0.9f;  // at x = 4.875
  AttributeAccuracy metric(boxes(), lanes(), kRange, 0.3f, 10);
  metric.add({frame, output, batch, 1});
  const Table table = metric.tables()[0];
  EXPECT_EQ(std::get<int64_t>(table.find({"lane", "color", "matched"}, "objects")), 1);
  EXPECT_DOUBLE_EQ(std::get<double>(table.find({"lane", "color", "matched"}, "accuracy")), 1);
  EXPECT_EQ(std::get<int64_t>(table.find({"lane", "color", "labelled"}, "objects")), 3);
}

TEST(AttributeView, SaysWhatIsNotOrdinary) {
  const std::vector<AttributeKind> kinds = known_box_attributes();
  EXPECT_EQ(attribute_text({2, 1, 0, 3, -1}, kinds), "parked, door open, turn hazard");
  EXPECT_EQ(attribute_text({0, 0, 1}, kinds), "brake on");
  EXPECT_EQ(attribute_text({}, kinds), "");
  EXPECT_EQ(attribute_text({1}, known_lane_attributes()), "yellow");
}

TEST(AttributeTask, IsOffByDefaultAndRefusesWhatCannotBe) {
  const auto list = [](const std::vector<std::string>& sets) {
    return TaskList(standard_tasks(), configs::load({.config = "mini_step1", .sets = sets}));
  };
  EXPECT_EQ(list({}).active().size(), 2u);
  EXPECT_EQ(list({"tasks.attribute_task=true"}).active().back().module, "bev_attribute_head");
  // The kinds are said of those of their classes that there are: nothing is said of riders.
  const std::vector<std::string> cars = {"tasks.attribute_task=true", "network.dynamic_head.classes=[\"car\"]"};
  EXPECT_EQ(list(cars).active().size(), 3u);
  EXPECT_EQ(attribute_head_options(configs::load({.config = "mini_step1", .sets = cars}).proto).box_scores, 11);
  EXPECT_THAT(testing::error_of([&] {
                list({"tasks.attribute_task=true", "network.dynamic_head.classes=[\"animal\"]",
                      "tasks.attributes.lanes[0].classes=[\"car\"]"});
              }),
              HasSubstr("none of the kinds is said of a class"));
  const auto refused = [&](const std::string& set) {
    return testing::error_of([&] { list({"tasks.attribute_task=true", set}); });
  };
  EXPECT_THAT(refused("tasks.attributes.boxes[0].classes[0]=cra"), HasSubstr("did you mean \"car\""));
  EXPECT_THAT(refused("tasks.attributes.boxes[1].name=motion"), HasSubstr("there twice"));
  EXPECT_THAT(refused("tasks.attributes.boxes[0].values=[\"one\"]"), HasSubstr("expected 2 to 64"));
  EXPECT_THAT(refused("tasks.attributes.boxes[0].weight=-1"), HasSubstr("0 or more"));
  EXPECT_THAT(refused("tasks.attributes.channels=0"), HasSubstr("1 to 4096"));
}

TEST(AttributeTask, SaysOfFoundBoxesWhatTheyAreLike) {
  const configs::Document document = configs::load({.config = "mini_step1", .sets = {"tasks.attribute_task=true"}});
  const TaskList tasks(standard_tasks(), document);
  const Task& task = *tasks.active().back().task;
  NetworkOutput output;
  Tensor logits = zeros({1, 13, 28, 52});
  say(logits, 0, 0, 1);
  output.set(kBoxAttributeLogits, logits);
  output.set(kLaneAttributeLogits, zeros({1, 3, 28, 52}));
  EvaluationFrame frame;
  frame.boxes = {{box(5, 5, 0, {}), 0.9}, {box(500, 5, 0, {}), 0.8}, {box(5, 5, 6, {}), 0.7}};
  task.add_predictions(frame, output, 0);
  EXPECT_THAT(frame.boxes[0].box.attributes, ElementsAre(1, 0, 0, 0, -1));
  EXPECT_TRUE(frame.boxes[1].box.attributes.empty());
  EXPECT_TRUE(frame.boxes[2].box.attributes.empty()) << "nothing is said of barriers";
  EXPECT_EQ(frame.lane_attributes.channels, 3);
  EXPECT_TRUE(task.decode(output).empty()) << "nobody finds boxes";
}

}  // namespace
}  // namespace bevgrad
