#include <gtest/gtest.h>

#include <cmath>

#include "evaluation/flicker.h"
#include "evaluation/lane_vectors.h"
#include "evaluation/matching_ap.h"
#include "evaluation/series.h"
#include "geometry/polyline.h"

namespace bevgrad {
namespace {

const LabelGrid kGrid;

/// Sets the cells within half a width of a line.
void draw(ProbabilityRaster& raster, int64_t channel, const std::vector<Vec2>& line, double width, float value) {
  for (int64_t r = 0; r < raster.rows; ++r)
    for (int64_t c = 0; c < raster.columns; ++c) {
      const Vec2 centre{kGrid.x_min + (static_cast<double>(c) + 0.5) * kGrid.cell,
                        kGrid.y_min + (static_cast<double>(r) + 0.5) * kGrid.cell};
      if (distance_to_polyline(centre, line) <= width / 2) raster.at(channel, r, c) = value;
    }
}

ProbabilityRaster nothing(int64_t classes = 9) {
  return ProbabilityRaster(classes, kGrid.rows(), kGrid.columns(), 0.01f);
}

TEST(LaneVectors, FollowAMarkFromItsNearEnd) {
  auto p = nothing();
  std::vector<Vec2> curve;
  for (double x = 40; x >= 0; x -= 0.5) curve.push_back({x, 3 + 0.004 * x * x});
  draw(p, 2, curve, 0.6, 0.8f);
  for (int64_t c = 150; c < 160; ++c)  // a stretch that looks more like another class is outvoted
    for (int64_t r = 0; r < p.rows; ++r)
      if (p.at(2, r, c) > 0.5f) p.at(5, r, c) = 0.9f;
  const auto lanes = lane_vectors(p, kGrid);
  ASSERT_EQ(lanes.size(), 1u);
  EXPECT_EQ(lanes[0].class_id, 2);
  EXPECT_NEAR(lanes[0].score, 0.8, 1e-6);
  ASSERT_EQ(lanes[0].points.size(), 10u);
  EXPECT_LT(lanes[0].points.front().x, 1);
  EXPECT_GT(lanes[0].points.back().x, 39);
  for (const Vec2 point : lanes[0].points) EXPECT_LT(distance_to_polyline(point, curve), 0.15);
  for (size_t i = 1; i < 10; ++i)
    EXPECT_NEAR(norm(lanes[0].points[i] - lanes[0].points[i - 1]), length(curve) / 9, 0.25);
}

TEST(LaneVectors, AreSmoothAlongARaggedMarkAndStraightAtItsEnds) {
  for (const double slope : {0.0, 0.13, 0.6}) {
    auto p = nothing();
    const std::vector<Vec2> line = {{-10, -6}, {30, -6 + 40 * slope}};
    draw(p, 0, line, 0.6, 0.8f);
    // Every third cell of the mark's border is missing, by a pattern without a period.
    auto ragged = p;
    for (int64_t r = 1; r + 1 < p.rows; ++r)
      for (int64_t c = 1; c + 1 < p.columns; ++c)
        if (p.at(0, r, c) > 0.5f && (p.at(0, r - 1, c) < 0.5f || p.at(0, r + 1, c) < 0.5f) &&
            (r * 7919 + c * 104729) % 3 == 0)
          ragged.at(0, r, c) = 0.01f;
    LaneVectorOptions options;
    options.points = 40;
    const auto lanes = lane_vectors(ragged, kGrid, options);
    ASSERT_EQ(lanes.size(), 1u);
    const std::vector<Vec2>& points = lanes[0].points;
    EXPECT_LT(norm(points.front() - line.front()), 0.4);
    EXPECT_LT(norm(points.back() - line.back()), 0.4);
    const double heading = std::atan(slope);
    for (size_t i = 1; i < points.size(); ++i) {
      const Vec2 step = points[i] - points[i - 1];
      EXPECT_NEAR(std::atan2(step.y, step.x), heading, 0.1) << slope << " at " << i;
    }
  }
}

TEST(LaneVectors, KeepACornerThatTheMarkHas) {
  auto p = nothing();
  const std::vector<Vec2> corner = {{0, 0}, {10, 0}, {10, 8}};
  draw(p, 0, corner, 0.6, 0.8f);
  LaneVectorOptions options;
  options.points = 60;
  const auto lanes = lane_vectors(p, kGrid, options);
  ASSERT_EQ(lanes.size(), 1u);
  for (const Vec2 point : lanes[0].points) EXPECT_LT(distance_to_polyline(point, corner), 0.45);
  EXPECT_LT(distance_to_polyline({10, 0}, lanes[0].points), 0.6);
}

TEST(LaneVectors, SplitAtJunctionsAndDropWhatIsShort) {
  auto p = nothing();
  draw(p, 0, {{0, 0}, {30, 0}}, 0.6, 0.8f);
  draw(p, 0, {{15, 0}, {15, 10}}, 0.6, 0.8f);   // a branch: three marks
  draw(p, 0, {{5, -8}, {5.5, -8}}, 0.6, 0.8f);  // half a metre
  const auto lanes = lane_vectors(p, kGrid);
  ASSERT_EQ(lanes.size(), 3u);
  for (const auto& lane : lanes) EXPECT_GT(length(lane.points), 8);
}

TEST(LaneVectors, CloseALoop) {
  auto p = nothing();
  std::vector<Vec2> ring;
  for (int i = 0; i <= 60; ++i) ring.push_back(Vec2{20, 0} + direction(i * 2 * M_PI / 60) * 6);
  draw(p, 0, ring, 0.6, 0.8f);
  const auto lanes = lane_vectors(p, kGrid);
  ASSERT_EQ(lanes.size(), 1u);
  EXPECT_LT(norm(lanes[0].points.front() - lanes[0].points.back()), 1e-9);
}

TEST(LaneVectors, OfNothingAndOfEverything) {
  EXPECT_TRUE(lane_vectors(nothing(), kGrid).empty());
  lane_vectors(ProbabilityRaster(9, kGrid.rows(), kGrid.columns(), 1.0f), kGrid);
  lane_vectors(ProbabilityRaster(9, kGrid.rows(), kGrid.columns(), NAN), kGrid);
  EXPECT_TRUE(lane_vectors(LabelRaster(9, kGrid.rows(), kGrid.columns(), 255), kGrid).empty());
}

TEST(Chamfer, OfParallelLinesIsTheirDistance) {
  const std::vector<Vec2> a = {{0, 0}, {20, 0}}, b = {{0, 1}, {20, 1}}, half = {{0, 0}, {10, 0}};
  EXPECT_NEAR(chamfer_distance(a, b), 1.0, 1e-12);
  EXPECT_NEAR(chamfer_distance(a, a), 0.0, 1e-12);
  // Half of a lies on average 5 m beyond half's end; half lies on a but for the spacing of the samples.
  EXPECT_NEAR(chamfer_distance(a, half), 2.5 / 2, 0.06);
  EXPECT_DOUBLE_EQ(chamfer_distance(a, half), chamfer_distance(half, a));
}

TEST(ChamferAp, CountsByThreshold) {
  const LaneVector truth{1, 1, {{0, 0}, {20, 0}}};
  const LaneVector near{1, 0.9, {{0, 0.4}, {20, 0.4}}}, far{1, 0.95, {{0, 0.9}, {20, 0.9}}},
      away{1, 0.2, {{0, 15}, {9, 15}}};
  const StratumAt nowhere = [](Vec2) { return kAllCells; };
  std::vector<std::vector<ApCounts>> counts(2, std::vector<ApCounts>(3));
  count_lanes({near, far, away}, {truth}, {0.2, 0.5, 1.0}, nowhere, counts);
  const auto ap = [&](size_t k) { return *average_precision(counts[1][k].detections, counts[1][k].truths[kAllCells]); };
  EXPECT_DOUBLE_EQ(ap(0), 0.0);
  EXPECT_DOUBLE_EQ(ap(1), 0.5);  // the far one ranks first and is wrong
  EXPECT_DOUBLE_EQ(ap(2), 1.0);  // the far one takes the lane
  EXPECT_EQ(counts[0][0].detections.size(), 0u);
}

TEST(Flicker, ComparesPlacesNotCells) {
  LabelGrid grid;
  LabelRaster labels(1, grid.rows(), grid.columns(), 0);
  ProbabilityRaster p(1, grid.rows(), grid.columns(), 0.0f);
  const auto frame = [&](int64_t column, double x, double t, bool seen) {
    LabelRaster l = labels;
    ProbabilityRaster q = p;
    for (int64_t r = 0; r < grid.rows(); ++r) {
      l.at(0, r, column) = 1;
      q.at(0, r, column) = seen ? 0.9f : 0.1f;
    }
    return flicker_frame(q, l, t, Pose::from_yaw(x, 0, 0, 0));
  };
  // The vehicle moves on by 2 m, a mark across the road comes 10 columns nearer and is still predicted.
  auto same = compare_frames(frame(200, 0, 0, true), frame(190, 2, 0.1, true), {}, grid)[kAllCells];
  EXPECT_EQ(same.changed, 0);
  EXPECT_EQ(same.marked_compared, 224);
  EXPECT_EQ(same.compared, 224 * 406);
  // It is lost: all of it flickers.
  auto lost = compare_frames(frame(200, 0, 0, true), frame(190, 2, 0.1, false), {}, grid)[kAllCells];
  EXPECT_DOUBLE_EQ(*lost.marked_rate(), 1.0);
  EXPECT_EQ(lost.changed, 224);
  // The mark itself moved in the world: those places are left out.
  auto moved = compare_frames(frame(200, 0, 0, true), frame(200, 2, 0.1, true), {}, grid)[kAllCells];
  EXPECT_EQ(moved.marked_compared, 0);
  EXPECT_EQ(moved.changed, 0);

  // What was predicted is still there, is gone, or lies elsewhere; the label's own consistency says what is possible.
  EXPECT_EQ(same.consistency(), Ratio(1.0));
  EXPECT_EQ(lost.consistency(), Ratio(0.0));
  EXPECT_EQ(lost.label_consistency(), Ratio(1.0));
  EXPECT_EQ(moved.consistency(), Ratio(0.0));
  EXPECT_EQ(moved.label_consistency(), Ratio(0.0));
  EXPECT_EQ(moved.either, 2 * 224);

  FlickerAccumulator flicker(grid);
  flicker.add("a", frame(200, 0, 0.0, true), {});
  flicker.add("b", frame(200, 0, 0.0, true), {});
  flicker.add("a", frame(190, 2, 0.1, false), {});
  flicker.add("a", frame(190, 2, 9.0, true), {});  // too long ago
  EXPECT_EQ(flicker.counts()[kAllCells].changed, 224);
}

TEST(Flicker, OnlyAFrameThatFollowsSoonIsCompared) {
  LabelGrid grid;
  grid.x_min = 0, grid.x_max = 2, grid.y_min = 0, grid.y_max = 2;
  const auto add = [&](FlickerAccumulator& flicker, const std::string& sequence, double time) {
    LabelRaster label(1, grid.rows(), grid.columns(), 0);
    flicker.add(sequence, flicker_frame(ProbabilityRaster(1, grid.rows(), grid.columns(), 0), label, time, Pose()), {});
    return flicker.counts()[kAllCells].compared;
  };
  const int64_t cells = grid.rows() * grid.columns();
  FlickerAccumulator flicker(grid, 1.0);
  EXPECT_EQ(add(flicker, "a", 5), 0);
  EXPECT_EQ(add(flicker, "a", 4.5), 0) << "time went back";
  EXPECT_EQ(add(flicker, "a", 4.5), 0) << "time stood still";
  EXPECT_EQ(add(flicker, "a", 5.5), cells);
  EXPECT_EQ(add(flicker, "a", 6.51), cells);
  // Sixteen sequences are remembered: of seventeen the one that came first is forgotten.
  FlickerAccumulator many(grid, 1.0);
  for (int i = 0; i < 17; ++i) add(many, std::to_string(i), 0);
  EXPECT_EQ(add(many, "0", 0.5), 0);
  EXPECT_EQ(add(many, "16", 0.5), cells);
  EXPECT_EQ(add(many, "3", 0.5), 2 * cells);
}

TEST(Flicker, APlaceIsOfItsMostLikelyClass) {
  ProbabilityRaster p(3, 1, 2, 0);
  p.values = {0.9f, 0.2f, 0.6f, 0.55f, 0.7f, 0.5f};
  LabelRaster label(3, 1, 2, 0);
  label.values = {1, 0, 0, 255, 1, 0};
  const FlickerFrame frame = flicker_frame(p, label, 0, Pose());
  EXPECT_EQ(frame.predicted, (std::vector<uint8_t>{1, 2}));
  EXPECT_EQ(frame.labels, (std::vector<uint32_t>{0b101, ~0u}));
}

TEST(LaneVectors, AProbabilityOfTheThresholdIsAMark) {
  LabelGrid grid;
  grid.x_min = 0, grid.x_max = 12, grid.y_min = -3, grid.y_max = 3;
  ProbabilityRaster p(1, grid.rows(), grid.columns(), 0);
  for (int64_t c = 0; c < grid.columns(); ++c) p.at(0, 15, c) = 0.5f;
  LaneVectorOptions options;
  options.threshold = 0.5f;
  EXPECT_EQ(lane_vectors(p, grid, options).size(), 1u);
  options.threshold = std::nextafter(0.5f, 1.0f);
  EXPECT_TRUE(lane_vectors(p, grid, options).empty());
}

TEST(AnyClass, AMarkGoesBeforeAnIgnoredCellWhicheverComesFirst) {
  ProbabilityRaster p(2, 1, 4, 0);
  p.values = {0.3f, 0.2f, NAN, 0.1f, 0.1f, 0.4f, 0.6f, NAN};
  LabelRaster label(2, 1, 4, 0);
  label.values = {1, 255, 255, 0, 255, 1, 0, 0};
  const AnyClass any = any_class(p, label);
  EXPECT_EQ(any.label.values, (std::vector<uint8_t>{1, 1, 255, 0}));
  EXPECT_EQ(any.probability.values, (std::vector<float>{0.3f, 0.4f, 0.6f, 0.1f}));
}

}  // namespace
}  // namespace bevgrad
