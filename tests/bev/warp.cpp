// Properties of the warp between ego frames, and its mask.
#include <gtest/gtest.h>

#include <cmath>

#include "bev/warp.h"
#include "support/devices.h"
#include "tensor/random.h"

namespace bevgrad {
namespace {

constexpr double kCell = 0.8;
constexpr int64_t kRows = 56, kColumns = 104;
const BevRange kRange{-20.8, -22.4, 62.4, 22.4};

double column_x(int64_t column) {
  return kRange.x_min + (static_cast<double>(column) + 0.5) * kCell;
}
double row_y(int64_t row) {
  return kRange.y_min + (static_cast<double>(row) + 0.5) * kCell;
}

Tensor matrix(double yaw, double x, double y) {
  return from_values({std::cos(yaw), -std::sin(yaw), x, std::sin(yaw), std::cos(yaw), y}, {1, 2, 3}, {DType::Float64});
}

// A map whose two channels say where each cell lies.
Tensor coordinates() {
  Tensor map = empty({1, 2, kRows, kColumns}, {DType::Float64});
  for (int64_t r = 0; r < kRows; ++r)
    for (int64_t c = 0; c < kColumns; ++c) {
      map.data<double>()[r * kColumns + c] = column_x(c);
      map.data<double>()[(kRows + r) * kColumns + c] = row_y(r);
    }
  return map;
}

TEST(WarpBev, IdentityIsAnExactCopy) {
  for (const Device device : test_devices()) {
    const Tensor x = ops::to(Generator(1).normal({1, 3, kRows, kColumns}), device);
    EXPECT_EQ(warp_bev(x, matrix(0, 0, 0), kRange, Interpolation::Nearest).to_vector(), x.to_vector());
  }
}

TEST(WarpMask, IsTheSameOnEveryDevice) {
  const Tensor m = matrix(0.3, 5, 1);
  for (const Device device : test_devices())
    EXPECT_EQ(warp_mask(ops::to(m, device), kRange, kRows, kColumns).to_vector(),
              warp_mask(m, kRange, kRows, kColumns).to_vector());
}

class WarpReadsItsPlace : public ::testing::TestWithParam<std::tuple<double, double, double>> {};

TEST_P(WarpReadsItsPlace, ForEveryCellWithinTheRange) {
  const auto [yaw, dx, dy] = GetParam();
  const Tensor m = matrix(yaw, dx, dy);
  const auto mask = warp_mask(m, kRange, kRows, kColumns).to_vector();
  for (const auto mode : {Interpolation::Nearest, Interpolation::Bilinear}) {
    const auto warped = warp_bev(coordinates(), m, kRange, mode).to_vector();
    int64_t seen = 0;
    for (int64_t r = 0; r < kRows; ++r)
      for (int64_t c = 0; c < kColumns; ++c) {
        const double x = column_x(c), y = row_y(r);
        const double hx = std::cos(yaw) * x - std::sin(yaw) * y + dx, hy = std::sin(yaw) * x + std::cos(yaw) * y + dy;
        const bool inside = hx >= kRange.x_min && hx <= kRange.x_max && hy >= kRange.y_min && hy <= kRange.y_max;
        EXPECT_EQ(mask[r * kColumns + c] != 0, inside) << r << " " << c;
        // Within half a cell of the border bilinear sampling mixes in zeros.
        const double margin = mode == Interpolation::Nearest ? 0.01 : 0.5 * kCell;
        if (hx < kRange.x_min + margin || hx > kRange.x_max - margin || hy < kRange.y_min + margin ||
            hy > kRange.y_max - margin)
          continue;
        ++seen;
        const double tolerance = mode == Interpolation::Nearest ? 0.5 * kCell + 1e-6 : 1e-6;
        EXPECT_NEAR(warped[r * kColumns + c], hx, tolerance);
        EXPECT_NEAR(warped[(kRows + r) * kColumns + c], hy, tolerance);
      }
    EXPECT_GT(seen, 500);
  }
}

INSTANTIATE_TEST_SUITE_P(Motions, WarpReadsItsPlace,
                         ::testing::Values(std::tuple{0.0, 2.3, -0.7}, std::tuple{0.3, 5.0, 1.0},
                                           std::tuple{M_PI / 2, 0.0, 0.0}, std::tuple{-2.5, 30.0, 3.0}));

TEST(WarpBev, AQuarterTurnMovesWholeCells) {
  // The range's centre in y is 0, so (x, y) -> (-y, x) takes cell centres to cell centres.
  const auto warped = warp_bev(coordinates(), matrix(M_PI / 2, 0, 0), kRange, Interpolation::Nearest).to_vector();
  const int64_t r = 40, c = 30;
  EXPECT_NEAR(warped[r * kColumns + c], -row_y(r), 1e-9);
  EXPECT_NEAR(warped[(kRows + r) * kColumns + c], column_x(c), 1e-9);
}

TEST(GridSample, NearestRoundsHalfToEven) {
  // On 4 pixels, grid value g reads pixel 2 g + 1.5.
  const Tensor x = from_values({10, 11, 12, 13}, {1, 1, 1, 4});
  const Tensor grid = from_values({-0.5, 0, 0, 0, 0.5, 0, 1.0, 0}, {1, 1, 4, 2}, {DType::Float64});
  EXPECT_EQ(grid_sample(x, grid, Interpolation::Nearest).to_vector(), (std::vector<double>{10, 12, 12, 0}));
}

TEST(GridSample, PlacesThatAreNoNumbersReadZero) {
  const Tensor x = ones({1, 1, 2, 2});
  const Tensor grid = from_values({NAN, 0, INFINITY, 0, -1e30, 1e30}, {1, 1, 3, 2}, {DType::Float64});
  for (auto mode : {Interpolation::Nearest, Interpolation::Bilinear})
    EXPECT_EQ(grid_sample(x, grid, mode).to_vector(), (std::vector<double>{0, 0, 0}));
}

}  // namespace
}  // namespace bevgrad
