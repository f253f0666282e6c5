// The task of vectors: its head against PyTorch (tests/golden/models/make_vector_head.py), what is learned, matched,
// decoded and measured.
#include "tasks/vector_map/vector_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "autograd/functions/pointwise.h"
#include "autograd/functions/reduce.h"
#include "configs/load.h"
#include "support/devices.h"
#include "support/error_of.h"
#include "support/golden.h"
#include "tasks/losses.h"
#include "tasks/task_list.h"
#include "tasks/vector_map/decode.h"
#include "tasks/vector_map/losses.h"
#include "tasks/vector_map/vector_ap.h"
#include "tasks/vector_map/vector_head.h"

namespace bevgrad {
namespace {

using testing::golden_tensor;
using ::testing::HasSubstr;
using testing::relative_error;

TEST(VectorHead, IsPyTorchsInTraining) {
  const auto golden = testing::load_golden("models/vector_head.golden");
  Generator generator(1);
  VectorHead head(5,
                  {.max_vectors = 3,
                   .points = 4,
                   .channels = 8,
                   .heads = 2,
                   .layers = 2,
                   .sampling_points = 3,
                   .feedforward = 12,
                   .classes = 4},
                  generator);
  for (const Device device : test_devices()) {
    SCOPED_TRACE(to_string(device));
    testing::golden_fill(head.state_dict("head"));
    head.move_to(device);
    const Tensor feature = ops::to(golden_tensor("head.feature", {2, 5, 4, 6}), device);
    set_requires_grad(feature, true);
    const NamedTensors maps = head.forward(feature);
    ASSERT_EQ(maps.size(), 2u);
    EXPECT_EQ(maps[0].first, kVectorLogits);
    EXPECT_EQ(maps[1].first, kVectorPoints);
    Tensor total;
    for (size_t i = 0; i < 2; ++i) {
      EXPECT_LT(relative_error(detach(maps[i].second), golden.at(fmt::format("head.y{}", i))), 2e-5) << i;
      const Tensor dy = ops::to(golden_tensor(fmt::format("head.dy{}", i), maps[i].second.sizes()), device);
      const Tensor share = sum(mul(maps[i].second, dy));
      total = total.defined() ? add(total, share) : share;
    }
    backward(total);
    EXPECT_LT(relative_error(grad(feature), golden.at("head.d.feature")), 1e-4);
    for (const auto& [name, parameter] : head.named_parameters()) {
      const Tensor g = ops::to(ops::to(grad(parameter), Device()), DType::Float64);
      const Tensor probe = ops::to(golden_tensor("head.probe." + name, g.sizes()), DType::Float64);
      const std::vector<double> expected = golden.at("head.grad." + name).to_vector();
      const double tolerance = 1e-4 * std::max(expected[0], 1e-2);
      EXPECT_NEAR(std::sqrt(ops::sum(ops::mul(g, g)).item()), expected[0], tolerance) << name;
      EXPECT_NEAR(ops::sum(ops::mul(g, probe)).item(), expected[1], 10 * tolerance) << name;
      set_grad(parameter, {});
    }
  }
}

TEST(VectorHead, InEvaluationTheLastLayerIsTheSame) {
  Generator generator(3);
  VectorHead head(4, {.max_vectors = 5, .points = 3, .channels = 8, .heads = 2, .layers = 3, .classes = 2}, generator);
  const NoGradGuard no_grad;
  const Tensor feature = golden_tensor("feature", {1, 4, 6, 8});
  const NamedTensors all = head.forward(feature);
  head.set_training(false);
  const NamedTensors last = head.forward(feature);
  EXPECT_EQ(last[0].second.sizes(), (Shape{1, 1, 5, 2}));
  for (size_t i = 0; i < 2; ++i)
    EXPECT_EQ(ops::select(last[i].second, 1, 0).to_vector(), ops::select(all[i].second, 1, 2).to_vector());
}

// The grid is 10 x 5 m at (0, 0); two lane classes, and the second of two road classes.
const LabelGrid kGrid = {.x_min = 0, .y_min = 0, .z_min = -3, .x_max = 10, .y_max = 5, .z_max = 5, .cell = 0.5};
const VectorClasses kClasses = {{"Solid", "Dashed", "Crosswalk"}, 2, {1}};

Batch batch_of(std::vector<LabelShape> lanes, std::vector<LabelShape> roads = {}) {
  Batch batch;
  batch.timestamps = {0};
  batch.keys = {"a"};
  batch.lane = zeros({1, 2, 10, 20}, {DType::UInt8});
  batch.road = zeros({1, 2, 10, 20}, {DType::UInt8});
  batch.lane_shapes = {std::move(lanes)};
  batch.road_shapes = {std::move(roads)};
  return batch;
}

TEST(VectorTargets, AreWhatOfTheShapesLiesInTheGrid) {
  const Batch batch = batch_of({{1, false, 0.1, {{5, 2.5}, {15, 2.5}}}, {0, false, 0.1, {{-9, 1}, {-1, 1}}}},
                               {{0, false, 0, {{1, 1}, {2, 2}}}, {1, true, 0, {{2, 1}, {4, 1}, {4, 3}, {2, 3}}}});
  const auto targets = vector_targets(batch, 0, kClasses, kGrid, 5);
  ASSERT_EQ(targets.size(), 2u);
  EXPECT_EQ(targets[0].class_id, 1);
  EXPECT_FALSE(targets[0].closed);
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_NEAR(targets[0].points[i].x, 0.5 + 0.125 * static_cast<double>(i), 1e-9);
    EXPECT_NEAR(targets[0].points[i].y, 0.5, 1e-9);
  }
  EXPECT_EQ(targets[1].class_id, 2);
  EXPECT_TRUE(targets[1].closed);
  // 8 m around in four steps; the last point is the first, in every order.
  EXPECT_NEAR(to_metres(targets[1].points[3], kGrid).y, 3, 1e-9);
  EXPECT_EQ(equivalent_orders(targets[0]).size(), 2u);
  const auto orders = equivalent_orders(targets[1]);
  ASSERT_EQ(orders.size(), 8u);
  for (size_t i = 0; i < orders.size(); ++i) {
    ASSERT_EQ(orders[i].size(), 5u);
    EXPECT_EQ(orders[i].front().x, orders[i].back().x) << i;
    EXPECT_EQ(orders[i].front().y, orders[i].back().y) << i;
    for (size_t j = 0; j < i; ++j)
      EXPECT_FALSE(std::ranges::equal(orders[i], orders[j], [](Vec2 a, Vec2 b) { return a.x == b.x && a.y == b.y; }))
          << i << " " << j;
  }
}

TEST(VectorTargets, WhatNobodySawAndWhatNobodyLabelledIsNotLearned) {
  Batch batch = batch_of({{0, false, 0, {{0, 2.2}, {10, 2.2}}}, {1, false, 0, {{0, 4.2}, {10, 4.2}}}});
  uint8_t* cells = batch.lane.data<uint8_t>();
  for (int64_t column = 4; column < 20; ++column) cells[4 * 20 + column] = 255;  // most of the first
  std::fill_n(batch.road.data<uint8_t>() + 200, 200, uint8_t{255});
  const auto targets = vector_targets(batch, 0, kClasses, kGrid, 10);
  ASSERT_EQ(targets.size(), 1u);
  EXPECT_EQ(targets[0].class_id, 1);
  EXPECT_EQ(labelled_classes(batch, 0, kClasses), (std::vector<bool>{true, true, false}));
}

TEST(VectorTargets, AreTracedWhereTheRecordHasARasterAlone) {
  Batch batch = batch_of({});
  for (int64_t column = 2; column < 18; ++column) batch.lane.data<uint8_t>()[200 + 5 * 20 + column] = 1;
  const auto targets = vector_targets(batch, 0, kClasses, kGrid, 5);
  ASSERT_EQ(targets.size(), 1u);
  EXPECT_EQ(targets[0].class_id, 1);
  EXPECT_NEAR(to_metres(targets[0].points[2], kGrid).y, 2.75, 0.1);
}

/// One layer's maps of vectors given in metres, all sure of their class.
NetworkOutput output_of(const std::vector<std::pair<int64_t, std::vector<Vec2>>>& vectors, double logit = 20) {
  const auto count = static_cast<int64_t>(vectors.size()), points = static_cast<int64_t>(vectors[0].second.size());
  const Tensor logits = full({1, 1, count, 3}, -logit), places = zeros({1, 1, count, points, 2});
  for (int64_t v = 0; v < count; ++v) {
    const auto& [class_id, line] = vectors[static_cast<size_t>(v)];
    if (class_id >= 0) logits.data<float>()[v * 3 + class_id] = static_cast<float>(logit);
    for (int64_t p = 0; p < points; ++p) {
      places.data<float>()[(v * points + p) * 2] = static_cast<float>(line[static_cast<size_t>(p)].x / 10);
      places.data<float>()[(v * points + p) * 2 + 1] = static_cast<float>(line[static_cast<size_t>(p)].y / 5);
    }
  }
  NetworkOutput output;
  output.set(kVectorLogits, logits);
  output.set(kVectorPoints, places);
  return output;
}

const VectorLossWeights kWeights = {.focal = 2, .point_l1 = 5, .direction = 1};

TEST(VectorLosses, VanishForTheLabelsInAnyEquivalentOrder) {
  const Batch batch = batch_of({{0, false, 0, {{1, 1}, {7, 4}}}}, {{1, true, 0, {{2, 1}, {4, 1}, {4, 3}, {2, 3}}}});
  // Backwards; from another corner the other way round.
  const NetworkOutput output = output_of({{-1, {{0, 0}, {1, 0}, {2, 0}, {3, 0}, {4, 0}}},
                                          {2, {{4, 3}, {4, 1}, {2, 1}, {2, 3}, {4, 3}}},
                                          {0, {{7, 4}, {5.5, 3.25}, {4, 2.5}, {2.5, 1.75}, {1, 1}}}});
  for (const LossTerm& term : vector_losses(output, batch, kClasses, kGrid, kWeights))
    EXPECT_NEAR(term.value.item(), 0, 1e-5) << term.name;
}

TEST(VectorLosses, AreWhatTheirDefinitionsSay) {
  const Batch batch = batch_of({{0, false, 0, {{2, 1}, {8, 1}}}});
  // 0.5 m to the left at each of 4 points (0.1 of the grid), and turned at one edge of three.
  const NetworkOutput shifted =
      output_of({{0, {{2, 1.5}, {4, 1.5}, {6, 1.5}, {8, 1.5}}}, {-1, {{0, 0}, {1, 0}, {2, 0}, {3, 0}}}});
  const auto terms = vector_losses(shifted, batch, kClasses, kGrid, kWeights);
  EXPECT_EQ(terms[0].name, "focal");
  EXPECT_NEAR(terms[1].value.item(), 0.4, 1e-5);
  EXPECT_NEAR(terms[2].value.item(), 0, 1e-6);
  const NetworkOutput turned = output_of({{0, {{2, 1}, {4, 1}, {6, 1}, {6, 3}}}});
  EXPECT_NEAR(vector_losses(turned, batch, kClasses, kGrid, kWeights)[2].value.item(), 1, 1e-5);
  // That edge is (0, 2) m for (2, 0) m, in shares of 10 and 5 m.
  EXPECT_NEAR(vector_losses(turned, batch, kClasses, kGrid, kWeights)[3].value.item(), 0.2 + 0.4, 1e-5);
  // Unsure of everything: alpha 0.25 for the one positive, 0.75 for the two other classes, (1/2)^2 log 2 each.
  const NetworkOutput unsure = output_of({{0, {{2, 1}, {4, 1}, {6, 1}, {8, 1}}}}, 0);
  EXPECT_NEAR(vector_losses(unsure, batch, kClasses, kGrid, kWeights)[0].value.item(), 1.75 * 0.25 * std::log(2), 1e-5);
  const Batch nothing = batch_of({});
  for (const LossTerm& term : vector_losses(shifted, nothing, kClasses, kGrid, kWeights))
    EXPECT_TRUE(std::isfinite(term.value.item())) << term.name;
}

TEST(VectorLosses, MatchingIsTheCheapestOfAll) {
  Generator random(5);
  std::vector<VectorTarget> targets;
  for (int64_t t = 0; t < 4; ++t) {
    targets.push_back({t % 3, t == 1, {}});
    const std::vector<double> places = random.uniform({6, 2}, 0, 1).to_vector();
    for (size_t p = 0; p < 6; ++p) targets.back().points.push_back({places[2 * p], places[2 * p + 1]});
  }
  const Tensor logits = random.normal({5, 3}), points = random.uniform({5, 6, 2}, 0, 1);
  const auto cost = [&](int64_t query, const VectorTarget& target) {
    const double p = 1 / (1 + std::exp(-logits.to_vector()[static_cast<size_t>(query * 3 + target.class_id)]));
    double least = HUGE_VAL;
    for (const auto& order : equivalent_orders(target)) {
      double sum = 0;
      for (size_t i = 0; i < 6; ++i) {
        const size_t at = static_cast<size_t>(query) * 12 + 2 * i;
        sum += std::abs(points.to_vector()[at] - order[i].x) + std::abs(points.to_vector()[at + 1] - order[i].y);
      }
      least = std::min(least, sum);
    }
    return 2 * (-0.25 * (1 - p) * (1 - p) * std::log(p) + 0.75 * p * p * std::log(1 - p)) + 5 * least;
  };
  double best = HUGE_VAL;
  std::vector<int64_t> queries(5);
  std::iota(queries.begin(), queries.end(), 0);
  do {
    double sum = 0;
    for (size_t t = 0; t < 4; ++t) sum += cost(queries[t], targets[t]);
    best = std::min(best, sum);
  } while (std::ranges::next_permutation(queries).found);
  double matched = 0;
  const auto matches = match_vectors(logits, points, targets, kWeights);
  ASSERT_EQ(matches.size(), 4u);
  for (const VectorMatch& match : matches) matched += cost(match.query, targets[static_cast<size_t>(match.target)]);
  EXPECT_NEAR(matched, best, 1e-6);
  EXPECT_TRUE(match_vectors(full({5, 3}, NAN), points, targets, kWeights).empty());
}

// Matching, losses and gradients together: one layout that is learned by heart.
TEST(VectorLosses, TeachAHeadTheVectorsOfAFeature) {
  Batch batch = batch_of({{0, false, 0, {{1, 1}, {9, 1}}}, {1, false, 0, {{1, 4}, {5, 4}, {5, 2}}}},
                         {{1, true, 0, {{6, 2}, {8, 2}, {8, 4}, {6, 4}}}});
  Generator generator(7);
  VectorHead head(3,
                  {.max_vectors = 6,
                   .points = 9,
                   .channels = 16,
                   .heads = 2,
                   .layers = 2,
                   .sampling_points = 2,
                   .feedforward = 32,
                   .classes = 3},
                  generator);
  const Tensor feature = generator.normal({1, 3, 5, 10});
  const VectorApOptions options{kClasses, kGrid, 10, 0.3f};
  NetworkOutput output;
  for (int step = 0; step <= 200; ++step) {
    head.set_training(step < 200);
    for (const auto& [name, map] : head.forward(feature)) output.set(name, map);
    if (step == 200) break;
    Tensor total;
    for (const LossTerm& term : vector_losses(output, batch, kClasses, kGrid, {.focal = 2, .point_l1 = 5})) {
      const Tensor share = mul(term.value, term.weight);
      total = total.defined() ? add(total, share) : share;
    }
    backward(total);
    const NoGradGuard no_grad;
    for (const auto& [name, parameter] : head.named_parameters()) {
      const Tensor gradient = grad(parameter);
      const Tensor sign = ops::div(gradient, ops::add(ops::abs(gradient), full_like(gradient, 1e-12)));
      ops::add_(detach(parameter), sign, -3e-3 * (1 - step / 200.0));
      set_grad(parameter, {});
    }
  }
  VectorAp metric(options);
  NetworkOutput last;
  for (const NetworkMap& entry : output) last.set(entry.name, detach(entry.map));
  metric.add({EvaluationFrame(), last, batch});
  EXPECT_EQ(metric.headline().at("vector_map"), 1);
}

TEST(VectorTables, AreBestFirstInMetres) {
  NetworkOutput output = output_of({{-1, {{0, 0}, {1, 0}}}, {1, {{2, 1}, {8, 1}}}, {2, {{0, 5}, {10, 5}}}}, 3);
  output.at(kVectorLogits).data<float>()[2 * 3 + 2] = 5;
  const NamedTensors tables = vector_tables(output, kGrid, 4, 0.5);
  ASSERT_EQ(tables[0].second.sizes(), (Shape{1, 3, 4, 2}));
  EXPECT_EQ(tables[2].second.to_vector(), (std::vector<double>{2, 1, -1}));
  EXPECT_NEAR(tables[0].second.to_vector()[8 + 2], 4, 1e-5);  // the second row's second point
  EXPECT_NEAR(tables[1].second.to_vector()[0], 1 / (1 + std::exp(-5.0)), 1e-6);
  EXPECT_TRUE(std::isnan(tables[1].second.to_vector()[2]));
}

TEST(VectorAp, CountsQueriesAndTracesAgainstTheShapesAndMerges) {
  const Batch batch = batch_of({{0, false, 0, {{1, 1}, {9, 1}}}, {1, false, 0, {{1, 4}, {9, 4}}}});
  const NetworkOutput output = output_of({{0, {{1, 1.1}, {9, 1.1}}}, {1, {{1, 3.2}, {9, 3.2}}}});
  EvaluationFrame frame;
  frame.lane = ProbabilityRaster(2, 10, 20);
  for (int64_t column = 2; column < 18; ++column) frame.lane.at(1, 8, column) = 0.9f;
  const VectorApOptions options{kClasses, kGrid, 10, 0.3f};
  VectorAp metric(options), other(options);
  metric.add({frame, output, batch});
  const auto figures = metric.headline();
  EXPECT_EQ(figures.at("vector_ap_1m"), 1);
  EXPECT_NEAR(figures.at("vector_map"), (1 + 1 + 1 + 0 + 1 + 1) / 6.0, 1e-9);
  EXPECT_EQ(figures.at("traced_ap_1m"), 0.5);
  other.merge(metric.state());
  EXPECT_EQ(other.headline(), figures);
  other.merge(metric.state());
  EXPECT_EQ(std::get<int64_t>(other.tables().at(0).find({"mean", "1.0"}, "truths")), 4);
}

TEST(VectorAp, AVectorIsJudgedInTheClassesOfItsHighestScores) {
  // Sure that there is a line, and between two types: both of it are judged, the labelled one is found.
  NetworkOutput output = output_of({{0, {{1, 1}, {9, 1}}}, {-1, {{1, 4}, {9, 4}}}});
  output.at(kVectorLogits).data<float>()[1] = 19;
  const auto judged = judged_vectors(output, 0, kGrid, 10);
  ASSERT_EQ(judged.size(), 2u);
  EXPECT_EQ(judged[0].class_id, 0);
  EXPECT_EQ(judged[1].class_id, 1);
  EXPECT_EQ(judged[1].points.size(), 10u);
  VectorAp metric({kClasses, kGrid, 10, 0.3f});
  metric.add({EvaluationFrame(), output, batch_of({{1, false, 0, {{1, 1}, {9, 1}}}})});
  EXPECT_EQ(metric.headline().at("vector_ap_1m"), 1);
  // A vector that is not finite is none.
  output.at(kVectorPoints).data<float>()[0] = NAN;
  EXPECT_TRUE(judged_vectors(output, 0, kGrid, 10).empty());
}

TEST(VectorAp, WhatLiesWhereNothingCountsCountsOnNeitherSide) {
  Batch batch = batch_of({{0, false, 0, {{1, 1}, {9, 1}}}});
  std::fill_n(batch.lane.data<uint8_t>() + 6 * 20, 4 * 20, uint8_t{255});  // the first class, y from 3 m
  const NetworkOutput output = output_of({{0, {{1, 4}, {9, 4}}}, {0, {{1, 1}, {9, 1}}}});
  VectorAp metric({kClasses, kGrid, 10, 0.3f});
  metric.add({EvaluationFrame(), output, batch});
  EXPECT_EQ(metric.headline().at("vector_ap_1m"), 1);
}

TEST(VectorAp, IsConsistentWhereALineIsFoundByTheSameVectorFromFrameToFrame) {
  const Batch batch = batch_of({{0, false, 0, {{1, 2}, {9, 2}}}});
  const auto consistent = [&](double second) {
    VectorAp metric({kClasses, kGrid, 10, 0.3f});
    EvaluationFrame frame;
    metric.add({frame, output_of({{0, {{1, 2.8}, {9, 2.8}}}}), batch});
    frame.timestamp = 0.1;
    metric.add({frame, output_of({{0, {{1, second}, {9, second}}}}), batch});
    VectorAp other({kClasses, kGrid, 10, 0.3f});
    other.merge(metric.state());
    EXPECT_EQ(other.headline(), metric.headline());
    EXPECT_EQ(other.headline().at("vector_ap_1m"), 1);
    return std::get<double>(other.tables().at(0).find({"mean", "1.0"}, "queries_consistent"));
  };
  EXPECT_EQ(consistent(2.7), 1);
  // From the one side of the line to the other: found again, by another vector.
  EXPECT_EQ(consistent(1.2), 0.5);
}

TEST(VectorMapTask, IsOffByDefaultAndRefusesWhatCannotBe) {
  const auto list = [](const std::vector<std::string>& sets) {
    return TaskList(standard_tasks(), configs::load({.config = "mini_step1", .sets = sets}));
  };
  EXPECT_EQ(list({}).active().size(), 2u);
  EXPECT_EQ(list({"tasks.vector_map.on=true"}).active().back().module, "bev_vector_head");
  const auto refused = [&](const std::string& set) { return testing::error_of([&] { list({set}); }); };
  EXPECT_THAT(refused("tasks.vector_map.heads=3"), HasSubstr("do not divide"));
  EXPECT_THAT(refused("tasks.vector_map.points=1"), HasSubstr("2 to 1000"));
  EXPECT_THAT(refused("tasks.vector_map.road_classes=[\"Kurb\"]"), HasSubstr("did you mean \"Curb\""));
}

}  // namespace
}  // namespace bevgrad
