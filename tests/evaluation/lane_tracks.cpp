#include "evaluation/lane_tracks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "evaluation/matching_ap.h"

namespace bevgrad {
namespace {

using ::testing::ElementsAre;

Pose at(double x) {
  return Pose::from_angles({x, 0, 0}, 0, 0, 0);
}

/// A lane of a world in which `from` and `to` are fixed, as a vehicle at `x` sees it.
LaneVector lane(double x, double from, double to, double y, int64_t class_id = 0, double score = 0.9) {
  LaneVector result{class_id, score, {}};
  for (int i = 0; i < 10; ++i) result.points.push_back({from + (to - from) * i / 9 - x, y});
  return result;
}

TEST(LaneTracks, GoOnWhereThePosesPutThem) {
  LaneTracks tracks;
  // 12 m apart along one line: without the poses each would be taken for the other after 12 m.
  EXPECT_THAT(tracks.follow({lane(0, 0, 10, 0), lane(0, 12, 22, 0)}, 0, at(0)), ElementsAre(0, 1));
  EXPECT_THAT(tracks.follow({lane(12, 12, 22, 0), lane(12, 0, 10, 0)}, 0.5, at(12)), ElementsAre(1, 0));
  // Of one more is seen than before.
  EXPECT_THAT(tracks.follow({lane(13, 12, 60, 0)}, 1.0, at(13)), ElementsAre(1));
  // The other one was away, and comes back as a new one.
  EXPECT_THAT(tracks.follow({lane(13, 0, 10, 0), lane(13, 12, 60, 0)}, 1.1, at(13)), ElementsAre(2, 1));
}

TEST(LaneTracks, AreOfOneClassAndNear) {
  LaneTracks tracks;
  tracks.follow({lane(0, 0, 20, 0)}, 0, at(0));
  EXPECT_THAT(tracks.follow({lane(0, 0, 20, 0, 1)}, 0.1, at(0)), ElementsAre(1));
  EXPECT_THAT(tracks.follow({lane(0, 0, 20, 0.9, 1)}, 0.2, at(0)), ElementsAre(1));
  EXPECT_THAT(tracks.follow({lane(0, 0, 20, 2.0, 1)}, 0.3, at(0)), ElementsAre(2));
  // The nearer of two goes on.
  EXPECT_THAT(tracks.follow({lane(0, 0, 20, 2.6, 1), lane(0, 0, 20, 1.8, 1)}, 0.4, at(0)), ElementsAre(3, 2));
  // After more than a second, and where time goes back, all are new.
  EXPECT_THAT(tracks.follow({lane(0, 0, 20, 1.8, 1)}, 1.5, at(0)), ElementsAre(4));
  EXPECT_THAT(tracks.follow({lane(0, 0, 20, 1.8, 1)}, 1.4, at(0)), ElementsAre(5));
}

/// AP and consistent AP of frames at 0.1 s in which one true lane lies at y = 0 and two are predicted at 0.2 and -0.2
/// m.
std::pair<double, double> aps(const std::vector<std::pair<double, double>>& scores, int drives) {
  const StratumAt nowhere = [](Vec2) { return kAllCells; };
  LaneFinders finders(1);
  std::vector<std::vector<ApCounts>> counts(1, std::vector<ApCounts>(1));
  for (size_t i = 0; i < scores.size(); ++i)
    for (int drive = 0; drive < drives; ++drive) {
      const double x = static_cast<double>(i), time = 0.1 * x;
      const std::vector<LaneVector> truth = {lane(x, 0, 40, 0)},
                                    predicted = {lane(x, 0, 40, 0.2, 0, scores[i].first),
                                                 lane(x, 0, 40, -0.2, 0, scores[i].second)};
      finders.next(std::to_string(drive), predicted, truth, time, at(x));
      count_lanes(predicted, truth, {0.5}, nowhere, counts, &finders);
    }
  const ApCounts& all = counts[0][0];
  return {*average_precision(all.detections, all.truths[kAllCells]),
          *consistent_average_precision(all.detections, all.truths[kAllCells])};
}

TEST(ConsistentAp, WantsTheSameLaneToFindIt) {
  // The better scored one takes the lane; both lists have their right ones first.
  EXPECT_EQ(aps({{0.9, 0.1}, {0.9, 0.1}, {0.9, 0.1}, {0.9, 0.1}}, 1), std::pair(1.0, 1.0));
  // They change places for a frame: the first one counts again when it is back (right, right, wrong, right).
  EXPECT_EQ(aps({{0.9, 0.1}, {0.8, 0.1}, {0.1, 0.7}, {0.6, 0.1}}, 1), std::pair(1.0, 0.5 + 0.25 * 0.75));
  // For good: what found the lane first never does so again.
  EXPECT_EQ(aps({{0.9, 0.1}, {0.8, 0.1}, {0.1, 0.7}, {0.1, 0.6}}, 1), std::pair(1.0, 0.5));
  // Drives that take turns are kept apart.
  EXPECT_EQ(aps({{0.9, 0.1}, {0.9, 0.1}}, 3), std::pair(1.0, 1.0));
}

}  // namespace
}  // namespace bevgrad
