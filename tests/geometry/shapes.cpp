// Rotated boxes, polygons and polylines.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>
#include <stdexcept>
#include <vector>

#include "geometry/polygon.h"
#include "geometry/polyline.h"
#include "geometry/rotated_box.h"

namespace bevgrad {
namespace {

constexpr double pi = std::numbers::pi;

TEST(RotatedBox, CornersRunCounterClockwise) {
  const auto c = corners({10, 5, 4, 2, pi / 2});
  const Vec2 expected[] = {{9, 7}, {9, 3}, {11, 3}, {11, 7}};
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(c[i].x, expected[i].x, 1e-12);
    EXPECT_NEAR(c[i].y, expected[i].y, 1e-12);
  }
  EXPECT_NEAR(signed_area(c), 8, 1e-12);
}

TEST(RotatedBox, ContainsInItsOwnAxes) {
  const RotatedBox box = {1, 1, 4, 1, pi / 4};
  EXPECT_TRUE(contains(box, {1 + 1.2, 1 + 1.2}));
  EXPECT_FALSE(contains(box, {1 + 1.2, 1 - 1.2}));
}

TEST(RotatedIou, CasesByHand) {
  const RotatedBox unit = {0, 0, 2, 2, 0};
  EXPECT_DOUBLE_EQ(rotated_iou(unit, unit), 1);
  EXPECT_NEAR(rotated_iou(unit, {0, 0, 2, 2, pi / 2}), 1, 1e-12);
  EXPECT_NEAR(rotated_iou(unit, {1, 0, 2, 2, 0}), 2.0 / 6, 1e-12);
  EXPECT_NEAR(rotated_iou(unit, {1, 1, 2, 2, pi}), 1.0 / 7, 1e-12);
  // A square in a square turned by 45 degrees: a regular octagon of area 8 (sqrt(2) - 1).
  const double octagon = 8 * (std::sqrt(2) - 1);
  EXPECT_NEAR(rotated_iou(unit, {0, 0, 2, 2, pi / 4}), octagon / (8 - octagon), 1e-12);
  // A thin cross.
  EXPECT_NEAR(rotated_iou({0, 0, 10, 1, 0}, {0, 0, 10, 1, pi / 2}), 1.0 / 19, 1e-12);
  // One inside the other.
  EXPECT_NEAR(rotated_iou({0, 0, 4, 4, 0.3}, {0.2, 0.1, 1, 1, 1.0}), 1.0 / 16, 1e-12);
  EXPECT_EQ(rotated_iou(unit, {2, 0, 2, 2, 0}), 0);  // they touch
  EXPECT_EQ(rotated_iou(unit, {50, 0, 2, 2, 0}), 0);
  EXPECT_EQ(rotated_iou(unit, {0, 0, 0, 2, 0}), 0);
  EXPECT_EQ(rotated_iou(unit, {0, 0, std::numeric_limits<double>::quiet_NaN(), 2, 0}), 0);
}

TEST(RotatedIou, DoesNotDependOnWhereOrInWhichOrder) {
  const RotatedBox a = {3, 4, 4.2, 1.7, 0.7}, b = {3.9, 4.3, 3.1, 2.2, -1.1};
  const double iou = rotated_iou(a, b);
  EXPECT_GT(iou, 0.1);
  EXPECT_NEAR(rotated_iou(b, a), iou, 1e-12);
  RotatedBox far_a = a, far_b = b;
  far_a.x += 1e6;
  far_b.x += 1e6;
  EXPECT_NEAR(rotated_iou(far_a, far_b), iou, 1e-8);
  // Counting points of a fine grid agrees with the clipping.
  int shared = 0, together = 0;
  for (int i = 0; i < 800; ++i)
    for (int j = 0; j < 800; ++j) {
      const Vec2 p = {i * 0.01, j * 0.01};
      const bool in_a = contains(a, p), in_b = contains(b, p);
      shared += in_a && in_b;
      together += in_a || in_b;
    }
  EXPECT_NEAR(static_cast<double>(shared) / together, iou, 2e-3);
}

TEST(Polygon, ContainsAConcaveShape) {
  const std::vector<Vec2> arrow = {{0, 0}, {4, 0}, {4, 4}, {2, 1}, {0, 4}};
  EXPECT_TRUE(contains(std::span<const Vec2>(arrow), {0.5, 2}));
  EXPECT_FALSE(contains(std::span<const Vec2>(arrow), {2, 2}));
  EXPECT_FALSE(contains(std::span<const Vec2>(), {2, 2}));
}

TEST(Polyline, LengthResampleAndPieces) {
  const std::vector<Vec2> bend = {{0, 0}, {3, 0}, {3, 4}};
  EXPECT_DOUBLE_EQ(length(bend), 7);
  const auto eight = resample(bend, 8);
  ASSERT_EQ(eight.size(), 8u);
  EXPECT_EQ(eight[0], (Vec2{0, 0}));
  EXPECT_EQ(eight[3], (Vec2{3, 0}));
  EXPECT_EQ(eight[5], (Vec2{3, 2}));
  EXPECT_EQ(eight[7], (Vec2{3, 4}));
  const auto middle = piece(bend, 2, 5);
  ASSERT_EQ(middle.size(), 3u);
  EXPECT_EQ(middle[0], (Vec2{2, 0}));
  EXPECT_EQ(middle[1], (Vec2{3, 0}));
  EXPECT_EQ(middle[2], (Vec2{3, 2}));
  EXPECT_THROW(resample(bend, 1), std::invalid_argument);
  EXPECT_THROW(resample({}, 4), std::invalid_argument);
  const std::vector<Vec2> dot = {{1, 2}, {1, 2}};
  for (Vec2 p : resample(dot, 3)) EXPECT_EQ(p, (Vec2{1, 2}));
}

TEST(Polyline, Distances) {
  EXPECT_DOUBLE_EQ(distance_to_segment({1, 3}, {0, 0}, {4, 0}), 3);
  EXPECT_DOUBLE_EQ(distance_to_segment({7, 4}, {0, 0}, {4, 0}), 5);
  EXPECT_DOUBLE_EQ(distance_to_segment({3, 4}, {0, 0}, {0, 0}), 5);
  const std::vector<Vec2> bend = {{0, 0}, {3, 0}, {3, 4}};
  EXPECT_DOUBLE_EQ(distance_to_polyline({5, 2}, bend), 2);
  EXPECT_TRUE(std::isinf(distance_to_polyline({5, 2}, {})));
}

TEST(Polyline, OffsetKeepsItsDistanceOnACircle) {
  std::vector<Vec2> circle;
  for (int i = 0; i <= 100; ++i) circle.push_back(direction(i * 0.02) * 20.0);
  for (Vec2 p : offset(circle, 2)) EXPECT_NEAR(norm(p), 18, 0.01);  // left is towards the centre
  for (Vec2 p : offset(circle, -2)) EXPECT_NEAR(norm(p), 22, 0.01);
}

}  // namespace
}  // namespace bevgrad
