// The rule by which past frames are taken, without the queue that keeps them.
#include "models/history_selection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "models/history_feature_manager.h"

namespace bevgrad {
namespace {

using testing::ElementsAre;
using Times = std::vector<double>;

std::vector<int64_t> frames(const Times& past, double now, const HistoryOptions& options) {
  std::vector<int64_t> found;
  for (const HistoryMatch& match : match_history(past, now, options.intervals, options)) {
    EXPECT_EQ(match.posed, match.frame);
    found.push_back(match.frame);
  }
  return found;
}

TEST(FramesLetGo, AreThoseThatNoLaterFrameCanTake) {
  const HistoryOptions options{.intervals = {0.5, 1.0}, .match_tol = 0.1, .max_capacity = 100};
  EXPECT_EQ(frames_let_go(Times{}, options), 0);
  EXPECT_EQ(frames_let_go(Times{5}, options), 0);
  // The longest interval and the tolerance reach back 1.1 s.
  EXPECT_EQ(frames_let_go(Times{0, 0.8, 0.9, 1.0, 2.0}, options), 2);
  EXPECT_EQ(frames_let_go(Times{0.95, 1.0, 2.0}, options), 0);
  EXPECT_EQ(frames_let_go(Times{0, 100}, options), 1) << "the newest stays";
  HistoryOptions few = options;
  few.max_capacity = 2;
  EXPECT_EQ(frames_let_go(Times{1.6, 1.7, 1.8, 1.9, 2.0}, few), 3);
  EXPECT_EQ(frames_let_go(Times{1.9, 2.0}, few), 0);
}

TEST(MatchHistory, TakesNeitherTheFrameItselfNorALaterOne) {
  // The tolerance all but reaches the current frame.
  const HistoryOptions options{.intervals = {0.04}, .match_tol = 0.0399999};
  EXPECT_THAT(frames({9.9, 10.0, 10.01}, 10.0, options), ElementsAre(-1));
  EXPECT_THAT(frames({9.9, 9.97, 10.0, 10.01}, 10.0, options), ElementsAre(1));
}

TEST(MatchHistory, TimesAreJudgedToAMicrosecond) {
  const HistoryOptions exact{.intervals = {0.7}, .match_tol = 0};
  EXPECT_THAT(frames({9.3}, 10.0, exact), ElementsAre(0));  // 10.0 - 9.3 is not 0.7 in float64
  EXPECT_THAT(frames({9.3 + 2e-6}, 10.0, exact), ElementsAre(-1));
}

TEST(MatchHistory, AFrameMayServeTwoIntervals) {
  const HistoryOptions options{.intervals = {0.5, 0.6, 2.0}, .match_tol = 0.2};
  EXPECT_THAT(frames({1.0, 9.45}, 10.0, options), ElementsAre(1, 1, -1));
}

TEST(MatchHistory, ExchangedPosesAreAnotherFrames) {
  HistoryOptions options{.intervals = {1, 2, 3}, .match_tol = 0.1, .shuffle_poses = true};
  const auto posed = [&](const Times& past) {
    std::vector<std::pair<int64_t, int64_t>> pairs;
    for (const HistoryMatch& match : match_history(past, 10, options.intervals, options))
      pairs.emplace_back(match.frame, match.posed);
    return pairs;
  };
  using Pairs = std::vector<std::pair<int64_t, int64_t>>;
  EXPECT_EQ(posed({7, 8, 9}), (Pairs{{2, 1}, {1, 0}, {0, 2}}));
  EXPECT_EQ(posed({7, 7.5, 9}), (Pairs{{2, 0}, {-1, -1}, {0, 2}}));
  // One alone takes the pose of the queue's far end.
  EXPECT_EQ(posed({9, 9.5}), (Pairs{{0, 1}, {-1, -1}, {-1, -1}}));
  EXPECT_EQ(posed({5, 8}), (Pairs{{-1, -1}, {1, 0}, {-1, -1}}));
}

TEST(DrawIntervals, LieBetweenTheMidpointsAndFillThem) {
  HistoryOptions options{.intervals = {1, 2, 4}};
  Generator random(1);
  EXPECT_EQ(draw_intervals(options, &random), options.intervals);
  options.interval_variable = true;
  EXPECT_EQ(draw_intervals(options, nullptr), options.intervals);
  Times low(3, 1e9), high(3, -1e9);
  for (int i = 0; i < 2000; ++i) {
    const Times drawn = draw_intervals(options, &random);
    for (size_t k = 0; k < 3; ++k) low[k] = std::min(low[k], drawn[k]), high[k] = std::max(high[k], drawn[k]);
  }
  const double wanted[3][2] = {{0.5, 1.5}, {1.5, 3}, {3, 4}};
  for (size_t k = 0; k < 3; ++k) {
    EXPECT_GE(low[k], wanted[k][0]);
    EXPECT_LT(low[k], wanted[k][0] + 0.02);
    EXPECT_LE(high[k], wanted[k][1]);
    EXPECT_GT(high[k], wanted[k][1] - 0.02);
  }
}

TEST(BlankHistory, IsOfNothingAndMovesNothing) {
  const History history = blank_history(2, {.intervals = {1, 2}});
  EXPECT_EQ(history.valid.sizes(), Shape({2, 2}));
  EXPECT_EQ(history.valid.to_vector(), std::vector<double>(4, 0));
  EXPECT_EQ(history.feature_warp_matrix.sizes(), Shape({2, 2, 2, 3}));
  for (size_t i = 0; i < 4; ++i)
    for (size_t j = 0; j < 6; ++j) EXPECT_EQ(history.feature_warp_matrix.to_vector()[6 * i + j], j == 0 || j == 4);
}

TEST(HistorySlots, AreEmptiedAndTakenAwayOneByOne) {
  HistoryFeatureManager manager({.intervals = {1.0}}, 3);
  const auto moments = [](double time, int64_t count) {
    std::vector<FrameMoment> all;
    for (int64_t n = 0; n < count; ++n) all.push_back({n, time, {}});
    return all;
  };
  manager.push(zeros({3, 1, 1, 1}), moments(0, 3));
  manager.reset(1);
  EXPECT_THAT(manager.sample(moments(1, 3)).valid.to_vector(), ElementsAre(1, 0, 1));
  manager.shrink(2);
  EXPECT_EQ(manager.slots(), 2);
  EXPECT_THAT(manager.sample(moments(1, 2)).valid.to_vector(), ElementsAre(1, 0));
  EXPECT_THROW(manager.shrink(3), Error);
  manager.reset();
  EXPECT_EQ(manager.bytes(), 0u);
}

}  // namespace
}  // namespace bevgrad
