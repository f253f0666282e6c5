#include <gtest/gtest.h>

#include <cmath>

#include "evaluation/matching_ap.h"

namespace bevgrad {
namespace {

std::vector<RankedDetection> ranked(const std::vector<std::pair<float, bool>>& list) {
  std::vector<RankedDetection> out;
  for (const auto& [score, right] : list) out.push_back({score, right, kAllCells});
  return out;
}

TEST(AveragePrecision, IsTheAreaUnderTheEnvelope) {
  // Ranked: right, wrong, right; 4 truths. Precisions 1, 1/2, 2/3 at recalls 1/4, 1/4, 1/2.
  const auto list = ranked({{0.5, false}, {0.9, true}, {0.4, true}});
  EXPECT_DOUBLE_EQ(*average_precision(list, 4), 0.25 * 1 + 0.25 * 2.0 / 3.0);
  EXPECT_DOUBLE_EQ(*average_precision(ranked({{0.5, true}}), 1), 1.0);
  EXPECT_DOUBLE_EQ(*average_precision({}, 3), 0.0);
  EXPECT_FALSE(average_precision(ranked({{0.5, false}}), 0));
  EXPECT_EQ(*average_precision(ranked({{NAN, true}, {0.5, false}}), 1), 0.5);  // NaN ranks last
}

TEST(AveragePrecision, OfNuScenesLeavesOutTheFirstTenth) {
  // One truth, found: precision 1 everywhere.
  EXPECT_NEAR(*nuscenes_average_precision(ranked({{0.5, true}}), 1), 1.0, 1e-12);
  EXPECT_DOUBLE_EQ(*nuscenes_average_precision({}, 1), 0.0);
  EXPECT_FALSE(nuscenes_average_precision({}, 0));
  // Half of the truths found, nothing wrong: precision 1 for the recalls 0.11 .. 0.50 of 0.11 .. 1.
  EXPECT_NEAR(*nuscenes_average_precision(ranked({{0.9, true}}), 2), 40.0 / 90.0, 1e-12);
}

TEST(Matching, TakesEachTruthOnceBestScoreFirst) {
  const std::vector<double> scores = {0.4, 0.9};
  const auto distance = [](size_t p, size_t) { return p == 0 ? 0.0 : 0.3; };
  EXPECT_EQ(match_by_score(scores, 1, 0.5, true, distance), (std::vector<int64_t>{-1, 0}));
  // The nearest truth is taken: MapTR's rule does not fall back to the next one, nuScenes' does.
  const std::vector<std::vector<double>> table = {{0.1, 0.2}, {0.0, 0.9}};
  const auto by_table = [&](size_t p, size_t t) { return table[p][t]; };
  EXPECT_EQ(match_by_score(scores, 2, 0.5, true, by_table), (std::vector<int64_t>{-1, 0}));
  EXPECT_EQ(match_by_score(scores, 2, 0.5, false, by_table), (std::vector<int64_t>{1, 0}));
  EXPECT_EQ(match_by_score(scores, 0, 0.5, false, by_table), (std::vector<int64_t>{-1, -1}));
}

const StratumAt kNowhere = [](Vec2) { return kAllCells; };

TEST(InstanceAp, NeedsHalfTheOverlap) {
  std::vector<ApCounts> counts(2);
  const Instance slot{10, 0, 5, 2, 0, 0};
  // Shifted by 1 m: 4/6. By 2 m: 3/7. The other class never matches.
  count_instances({{{11, 0, 5, 2, 0, 0}, 0.9}, {{12, 0, 5, 2, 0, 0}, 0.8}, {{10, 0, 5, 2, 0, 1}, 0.7}}, {slot}, 0.5,
                  kNowhere, counts);
  ASSERT_EQ(counts[0].detections.size(), 2u);
  EXPECT_TRUE(counts[0].detections[0].right);
  EXPECT_FALSE(counts[0].detections[1].right);
  EXPECT_EQ(counts[0].truths[kAllCells], 1);
  EXPECT_FALSE(counts[1].detections[0].right);
  EXPECT_FALSE(average_precision(counts[1].detections, counts[1].truths[kAllCells]));
  std::vector<ApCounts> exact(1);
  count_instances({{{10, 0, 5, 2, 0, 0}, 0.9}}, {{10, 0, 5, 1, 0, 0}}, 0.5, kNowhere, exact);  // IoU is 0.5
  EXPECT_TRUE(exact[0].detections[0].right);
}

TEST(BoxAp, GoesByCentreDistance) {
  std::vector<std::vector<ApCounts>> counts(1, std::vector<ApCounts>(2));
  ScoredBox box;
  box.box.x = 3, box.box.y = 4, box.score = 0.5;
  Box3d truth;
  truth.x = 3, truth.y = 4.5;
  count_boxes({box}, {truth}, {}, {0.5, 1.0}, kNowhere, counts);
  EXPECT_FALSE(counts[0][0].detections[0].right);  // closer than, not as close as
  EXPECT_TRUE(counts[0][1].detections[0].right);
}

TEST(BoxAp, LeavesOutWhatIsOutOfRangeAndWhatHoldsNoPoint) {
  const auto box_at = [](double x, double y, double z, int points) {
    Box3d box;
    box.x = x, box.y = y, box.z = z, box.num_lidar_points = points;
    return box;
  };
  // The range is -20.8 to 62.4, -22.4 to 22.4, -3 to 5. Truths: the first (1 point) and the second (count not known).
  const std::vector<Box3d> labelled = {box_at(10, 0, 1, 1),   box_at(20, 0, 1, -1), box_at(30, 0, 1, 0),
                                       box_at(62.4, 0, 1, 9), box_at(-30, 0, 1, 9), box_at(5, -23, 1, 9),
                                       box_at(5, 22.4, 1, 9), box_at(0, 0, 5, 9),   box_at(0, 0, -4, 9)};
  // Found: the two truths, the box without points (a false alarm), and one that is out of range (not judged).
  const std::vector<ScoredBox> predicted = {{box_at(10, 0, 1, -1), 0.9},
                                            {box_at(20, 0, 1, -1), 0.8},
                                            {box_at(30, 0, 1, -1), 0.7},
                                            {box_at(63, 0, 1, -1), 0.6}};
  std::vector<std::vector<ApCounts>> counts(1, std::vector<ApCounts>(1));
  count_boxes(predicted, labelled, {}, {2.0}, kNowhere, counts);
  EXPECT_EQ(counts[0][0].truths[kAllCells], 2);
  ASSERT_EQ(counts[0][0].detections.size(), 3u);
  EXPECT_TRUE(counts[0][0].detections[0].right);
  EXPECT_TRUE(counts[0][0].detections[1].right);
  EXPECT_FALSE(counts[0][0].detections[2].right);
  // Precision 1 for the recalls 0.11 to 0.99, and 2/3 at the last.
  EXPECT_NEAR(*nuscenes_average_precision(counts[0][0].detections, counts[0][0].truths[kAllCells]),
              (89 + (2.0 / 3 - 0.1) / 0.9) / 90, 1e-12);
}

TEST(Strata, OfAMatchIsItsTruths) {
  LabelGrid grid;
  std::vector<Stratum> strata(static_cast<size_t>(grid.rows() * grid.columns()), kSeenNow);
  for (size_t i = 0; i < strata.size(); ++i)
    if (i % 416 >= 208) strata[i] = kHiddenNow;  // x over 20.8 m
  const auto at = stratum_lookup(strata, grid);
  EXPECT_EQ(at({20.7, 0}), kSeenNow);
  EXPECT_EQ(at({20.9, 0}), kHiddenNow);
  EXPECT_EQ(at({99, 0}), kAllCells);
  EXPECT_EQ(majority_stratum({{20, 0}, {21, 0}, {22, 0}, {99, 0}, {99, 0}}, at), kHiddenNow);
  std::vector<ApCounts> counts(1);
  count_instances({{{20.7, 0, 5, 2, 0, 0}, 0.9}, {{0, 0, 5, 2, 0, 0}, 0.8}}, {{20.9, 0, 5, 2, 0, 0}}, 0.5, at, counts);
  EXPECT_EQ(counts[0].of(kHiddenNow).size(), 1u);
  EXPECT_EQ(counts[0].of(kSeenNow).size(), 1u);
  EXPECT_EQ(counts[0].of(kAllCells).size(), 2u);
  EXPECT_EQ(counts[0].truths[kHiddenNow], 1);
  EXPECT_EQ(counts[0].truths[kSeenNow], 0);
}

TEST(InstanceAp, AnOverlapOfTheThresholdIsEnoughWhateverItsRounding) {
  for (const double iou : {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9}) {
    std::vector<ApCounts> counts(1);
    // The truth within the prediction, `iou` of its area.
    count_instances({{{10, 0, 5, 2, 0, 0}, 0.9}}, {{10, 0, 5, 2 * iou, 0, 0}}, iou, kNowhere, counts);
    EXPECT_TRUE(counts[0].detections[0].right) << iou;
    count_instances({{{10, 0, 5, 2, 0, 0}, 0.9}}, {{10, 0, 5, 2 * iou - 1e-6, 0, 0}}, iou, kNowhere, counts);
    EXPECT_FALSE(counts[0].detections[1].right) << iou;
  }
}

}  // namespace
}  // namespace bevgrad
