// Which past frames a frame is given: matching, capacity, reset, masks and warps.
#include "models/history_feature_manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <set>

#include "base/error.h"

namespace bevgrad {
namespace {

using testing::ElementsAre;

FrameMoment at(double timestamp, int64_t sequence = 1, Pose pose = {}) {
  return {sequence, timestamp, pose};
}

Tensor feature(double value) {
  return full({1, 2, 2, 3}, value, {.format = MemoryFormat::ChannelsLast});
}

/// A drive of 10 Hz whose features hold their own timestamps.
struct Drive {
  HistoryFeatureManager manager;
  explicit Drive(HistoryOptions options = {}) : manager(options) {}
  void to(double start, double end, int64_t sequence = 1) {
    for (int64_t i = std::llround(start * 10); i <= std::llround(end * 10); ++i)
      manager.push(feature(0.1 * static_cast<double>(i)), {at(0.1 * static_cast<double>(i), sequence)});
  }
  std::vector<double> matched(double t, int64_t sequence = 1) {
    const History history = manager.sample({at(t, sequence)});
    std::vector<double> result;
    for (size_t k = 0; k < history.prev_feat_list.size(); ++k) {
      const bool valid = history.valid.data<bool>()[k];
      EXPECT_EQ(valid, history.prev_feat_list[k].defined());
      result.push_back(valid ? std::round(history.prev_feat_list[k].to_vector()[0] * 1000) / 1000 : -1);
    }
    return result;
  }
};

TEST(HistoryMatching, TheFrameAtEachInterval) {
  Drive drive;
  drive.to(0, 4.9);
  EXPECT_THAT(drive.matched(5.0), ElementsAre(4.3, 3.1, 1.7));
}

TEST(HistoryMatching, WithinTheToleranceOnly) {
  Drive drive;
  drive.manager.push(feature(1), {at(0.0)});
  EXPECT_THAT(drive.matched(0.8), ElementsAre(1, -1, -1));  // 0.1 s off: just within
  EXPECT_THAT(drive.matched(0.85), ElementsAre(-1, -1, -1));
  EXPECT_THAT(drive.matched(0.6), ElementsAre(1, -1, -1));
  EXPECT_THAT(drive.matched(0.55), ElementsAre(-1, -1, -1));
}

TEST(HistoryMatching, OfTwoAsCloseTheNewer) {
  Drive drive({.intervals = {1.0}, .match_tol = 0.1});
  drive.manager.push(feature(1), {at(9.0 - 0.0625)});
  drive.manager.push(feature(2), {at(9.0 + 0.0625)});
  EXPECT_THAT(drive.matched(10.0), ElementsAre(2));
}

TEST(HistoryMatching, TheCloserEvenIfOlder) {
  Drive drive({.intervals = {1.0}, .match_tol = 0.1});
  drive.manager.push(feature(1), {at(8.99)});
  drive.manager.push(feature(2), {at(9.06)});
  EXPECT_THAT(drive.matched(10.0), ElementsAre(1));
}

TEST(HistoryByDistance, TheFrameAtEachDistanceDriven) {
  HistoryFeatureManager manager({.intervals = {1, 5, 10}, .match_tol = 0.8, .by_distance = true});
  double time = 0, metres = 0;
  Pose pose;
  const auto drive = [&](double speed, double turn, int frames) {
    for (int i = 0; i < frames; ++i) {
      manager.push(feature(metres), {at(time, 1, pose)});
      time += 0.1;
      metres += speed * 0.1;
      pose = pose * Pose::from_yaw(speed * 0.1, 0, 0, turn);
    }
  };
  const auto back = [&] {
    const History history = manager.sample({at(time, 1, pose)});
    std::vector<double> distances;
    for (const Tensor& found : history.prev_feat_list)
      distances.push_back(found.defined() ? metres - found.to_vector()[0] : -1);
    return distances;
  };
  const auto expect_all = [&] {
    const std::vector<double> distances = back();
    const double wanted[] = {1, 5, 10};
    for (size_t k = 0; k < 3; ++k) EXPECT_NEAR(distances[k], wanted[k], 0.8) << k;
  };
  drive(5, 0, 4);
  EXPECT_EQ(back()[1], -1);
  drive(5, 0.1, 40);  // along a curve it is the way that counts
  expect_all();
  drive(0, 0, 300);  // standing: nothing is forgotten, and nothing is kept
  expect_all();
  EXPECT_LE(manager.size(0), 16);
  drive(20, 0, 30);  // 2 m a frame
  const std::vector<double> fast = back();
  EXPECT_EQ(fast[0], -1);  // none lies within 0.8 m of 1 m
  EXPECT_NEAR(fast[2], 10, 0.8);
  EXPECT_THAT(manager.sample({at(time, 2, pose)}).valid.to_vector(), ElementsAre(0, 0, 0));
}

TEST(HistoryReset, ANewSequenceOrTimeGoingBackEmptiesTheQueue) {
  Drive drive;
  drive.to(0, 2);
  EXPECT_THAT(drive.matched(2.1, 2), ElementsAre(-1, -1, -1));
  EXPECT_EQ(drive.manager.size(0), 0);
  drive.to(0, 2);
  EXPECT_THAT(drive.matched(1.9), ElementsAre(-1, -1, -1));
  EXPECT_EQ(drive.manager.size(0), 0);
  drive.to(0, 1);
  drive.manager.push(feature(0), {at(0.5)});
  EXPECT_EQ(drive.manager.size(0), 1);
}

TEST(HistoryCapacity, KeepsNoMoreThanItMay) {
  Drive drive({.max_capacity = 10});
  drive.to(0, 5);
  EXPECT_EQ(drive.manager.size(0), 10);
  EXPECT_THAT(drive.matched(5.1), ElementsAre(4.4, -1, -1));
}

TEST(HistoryCapacity, FramesThatCanMatchNoMoreAreLetGo) {
  Drive drive({.max_capacity = 1000});
  drive.to(0, 20);
  EXPECT_LE(drive.manager.size(0), 36);
  EXPECT_THAT(drive.matched(20.1), ElementsAre(19.4, 18.2, 16.8));
  EXPECT_EQ(drive.manager.bytes(), static_cast<size_t>(drive.manager.size(0)) * 2 * 2 * 3 * sizeof(float));
}

TEST(HistoryMasks, SlotsAreApart) {
  HistoryFeatureManager manager({.intervals = {1.0}}, 2);
  manager.push(full({2, 1, 1, 1}, 7), {at(0, 1), at(0, 2)});
  const History history = manager.sample({at(1.0, 1), at(1.0, 3)});
  EXPECT_THAT(history.valid.to_vector(), ElementsAre(1, 0));
  EXPECT_THAT(history.prev_feat_list[0].to_vector(), ElementsAre(7, 0));
}

TEST(HistoryStorage, BFloat16HalvesIt) {
  HistoryFeatureManager manager({.intervals = {1.0}, .storage = DType::BFloat16});
  manager.push(feature(1.5), {at(0)});
  EXPECT_EQ(manager.bytes(), 2u * 2 * 3 * 2);
  EXPECT_EQ(manager.sample({at(1.0)}).prev_feat_list[0].dtype(), DType::BFloat16);
}

TEST(HistoryWarp, TakesThePresentToThePast) {
  HistoryFeatureManager manager({.intervals = {1.0}});
  // Then at (10, 0) heading along x; now at (10, 5) heading along y: 2 m ahead is (0, 7) in the old frame.
  manager.push(feature(0), {at(0, 1, Pose::from_yaw(10, 0, 0, 0))});
  const History history = manager.sample({at(1, 1, Pose::from_yaw(10, 5, 0, std::numbers::pi / 2))});
  const double* m = history.feature_warp_matrix.data<double>();
  EXPECT_NEAR(m[0] * 2 + m[1] * 0 + m[2], 0, 1e-12);
  EXPECT_NEAR(m[3] * 2 + m[4] * 0 + m[5], 7, 1e-12);
}

TEST(HistoryWarp, ControlsLoseTheMotion) {
  for (const bool identity : {true, false}) {
    HistoryFeatureManager manager({.intervals = {1.0, 2.0}, .identity_warp = identity, .shuffle_poses = !identity});
    manager.push(feature(0), {at(0, 1, Pose::from_yaw(0, 0, 0, 0))});
    manager.push(feature(1), {at(1, 1, Pose::from_yaw(1, 0, 0, 0))});
    const History history = manager.sample({at(2, 1, Pose::from_yaw(2, 0, 0, 0))});
    const double* m = history.feature_warp_matrix.data<double>();
    EXPECT_NEAR(m[2], identity ? 0 : 2, 1e-12);
    EXPECT_NEAR(m[8], identity ? 0 : 1, 1e-12);
    EXPECT_THAT(history.prev_feat_list[0].to_vector()[0], 1);
  }
}

TEST(HistoryVariableIntervals, StayWithinTheMidpoints) {
  HistoryFeatureManager manager(
      {.intervals = {1.0, 2.0}, .match_tol = 0.06, .interval_variable = true, .max_capacity = 100});
  for (int i = 0; i < 30; ++i) manager.push(feature(0.1 * i), {at(0.1 * i)});
  Generator generator(5);
  std::set<double> first;
  for (int trial = 0; trial < 50; ++trial) {
    const History history = manager.sample({at(3.0)}, &generator);
    const double age0 = 3.0 - history.prev_feat_list[0].to_vector()[0];
    const double age1 = 3.0 - history.prev_feat_list[1].to_vector()[0];
    EXPECT_GE(age0, 0.44);
    EXPECT_LE(age0, 1.56);
    EXPECT_GE(age1, 1.44);
    EXPECT_LE(age1, 2.06);
    first.insert(age0);
  }
  EXPECT_GT(first.size(), 3u);
}

TEST(HistoryErrors, AreNamed) {
  HistoryFeatureManager manager({});
  EXPECT_THROW(manager.sample({}), Error);
  EXPECT_THROW(manager.sample({at(std::nan(""))}), Error);
  Pose broken;
  broken.m[3] = std::nan("");
  EXPECT_THROW(manager.push(feature(0), {at(0, 1, broken)}), Error);
  EXPECT_THROW(manager.push(full({2, 2, 2, 3}, 0), {at(0)}), Error);
  EXPECT_THROW(HistoryFeatureManager({.intervals = {2.0, 1.0}}), UsageError);
  EXPECT_THROW(HistoryFeatureManager({.intervals = {}}), UsageError);
  EXPECT_THROW(HistoryFeatureManager({.match_tol = 0.8}), UsageError);
  EXPECT_THROW(HistoryFeatureManager({.max_capacity = 0}), UsageError);
}

}  // namespace
}  // namespace bevgrad
