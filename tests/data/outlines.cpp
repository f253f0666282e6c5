#include "internal/outlines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "geometry/polygon.h"

namespace bevgrad {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

bool is_inside(const std::vector<std::vector<Vec2>>& rings, Vec2 p) {
  bool inside = false;
  for (const auto& ring : rings)
    for (size_t i = 0; i < ring.size(); ++i) {
      const Vec2 a = ring[i], b = ring[(i + 1) % ring.size()];
      if ((a.y <= p.y) != (b.y <= p.y) && p.x < a.x + (p.y - a.y) / (b.y - a.y) * (b.x - a.x)) inside = !inside;
    }
  return inside;
}

TEST(Outlines, AnAreaRunsToTheLeftAndItsHoleToTheRight) {
  const std::vector<uint8_t> cells = {1, 1, 1, 1, 0, 1, 1, 1, 1};
  std::vector<double> areas;
  for (const auto& ring : cell_outlines(cells, 3, 3, 0)) areas.push_back(signed_area(ring));
  EXPECT_THAT(areas, UnorderedElementsAre(9, -1));
}

TEST(Outlines, CellsThatTouchAtACornerStayApart) {
  EXPECT_EQ(cell_outlines({1, 0, 0, 1}, 2, 2, 0).size(), 2u);
  EXPECT_EQ(cell_outlines({0, 1, 1, 0}, 2, 2, 0).size(), 2u);
}

TEST(Outlines, ExactlyTheMarkedCellsLieInside) {
  std::mt19937 random(1);
  for (int round = 0; round < 50; ++round) {
    const int64_t rows = 1 + static_cast<int64_t>(random() % 12), columns = 1 + static_cast<int64_t>(random() % 12);
    std::vector<uint8_t> cells(static_cast<size_t>(rows * columns));
    double marked = 0;
    for (uint8_t& cell : cells) marked += cell = random() % 3 != 0;
    const auto rings = cell_outlines(cells, rows, columns, 0);
    double area = 0;
    for (const auto& ring : rings) area += signed_area(ring);
    EXPECT_NEAR(area, marked, 1e-9);
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < columns; ++c)
        ASSERT_EQ(is_inside(rings, {static_cast<double>(c) + 0.5, static_cast<double>(r) + 0.5}),
                  cells[static_cast<size_t>(r * columns + c)] != 0);
  }
}

TEST(Outlines, StairsBecomeAStraightEdgeWithinTheTolerance) {
  constexpr int64_t n = 60;
  std::vector<uint8_t> cells(n * n);
  for (int64_t r = 0; r < n; ++r)
    for (int64_t c = 0; c < n; ++c) cells[static_cast<size_t>(r * n + c)] = c < r;
  const auto rings = cell_outlines(cells, n, n, 1);
  ASSERT_EQ(rings.size(), 1u);
  EXPECT_LE(rings[0].size(), 6u);
  EXPECT_NEAR(signed_area(rings[0]), n * (n - 1) / 2, n);
}

}  // namespace
}  // namespace bevgrad
