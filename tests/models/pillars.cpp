#include "models/lidar/pillars.h"

#include <gtest/gtest.h>

#include <limits>

#include "autograd/autograd.h"
#include "models/lidar/pillar_scatter.h"
#include "models/lidar/pillar_vfe.h"
#include "models/network_fixture.h"

namespace bevgrad {
namespace {

const BevGrid kGrid = testing::tiny_options().grid;  // pillars of 0.2 m, 32 rows, 48 columns

Tensor points(std::initializer_list<double> values) {
  return from_values(values, {static_cast<int64_t>(values.size()) / 4, 4});
}

TEST(Pillars, FirstPointsInInputOrderAndPillarsInOrderOfAppearance) {
  const LidarOptions options{.max_points = 2, .max_pillars = 2};
  const Pillars pillars = make_pillars({points({1.05, 0.05, 0, 0.1,     // pillar A
                                                2.05, 0.05, 0, 0.2,     // pillar B
                                                1.15, 0.15, 1, 0.3,     // A
                                                1.10, 0.10, 2, 0.4,     // A is full
                                                3.05, 0.05, 0, 0.5,     // a third pillar
                                                2.15, 0.05, 0, 0.6})},  // B still has room
                                       kGrid, options);
  EXPECT_EQ(pillars.offsets.to_vector(), (std::vector<double>{0, 2, 4}));
  EXPECT_EQ(pillars.cells.to_vector(), (std::vector<double>{16 * 48 + 21, 16 * 48 + 26}));
  EXPECT_EQ(pillars.dropped, 2);
  const std::vector<double> f = pillars.features.to_vector();
  const std::vector<double> first = {1.05, 0.05, 0, 0.1, -0.05, -0.05, -0.5, -0.05, -0.05, -1};
  for (size_t i = 0; i < 10; ++i) EXPECT_NEAR(f[i], first[i], 1e-6) << i;
  EXPECT_NEAR(f[13], 0.3, 1e-6);
  EXPECT_NEAR(f[23], 0.2, 1e-6);
  EXPECT_NEAR(f[33], 0.6, 1e-6);
}

TEST(Pillars, DynamicOnesKeepEveryPoint) {
  const LidarOptions options{.dynamic = true, .max_points = 1, .max_pillars = 1};
  const Pillars pillars =
      make_pillars({points({1.05, 0.05, 0, 0.1, 2.05, 0.05, 0, 0.2, 1.15, 0.15, 1, 0.3})}, kGrid, options);
  EXPECT_EQ(pillars.offsets.to_vector(), (std::vector<double>{0, 2, 3}));
  EXPECT_EQ(pillars.cells.to_vector(), (std::vector<double>{16 * 48 + 21, 16 * 48 + 26}));
  EXPECT_EQ(pillars.dropped, 0);
}

TEST(Pillars, LegacyReplacesTheCoordinatesByTheOffsets) {
  const Pillars pillars = make_pillars({points({1.05, 0.05, 0, 0.1})}, kGrid, {.legacy = true});
  const std::vector<double> expected = {-0.05, -0.05, -1, 0.1, 0, 0, 0, -0.05, -0.05, -1},
                            f = pillars.features.to_vector();
  for (size_t i = 0; i < 10; ++i) EXPECT_NEAR(f[i], expected[i], 1e-6) << i;
}

TEST(Pillars, RangeEdgesAndWhatIsNoNumber) {
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  const Pillars pillars = make_pillars({points({-3.2, -3.2, -3, 0,    // the lower corner belongs to the range
                                                6.4,  0,    0,  0,    // the upper edge does not
                                                0,    3.2,  0,  0,    //
                                                0,    0,    5,  0,    //
                                                nan,  0,    0,  0,    //
                                                0,    inf,  0,  0,    //
                                                0,    0,    0,  nan,  //
                                                1e30, 0,    0,  0}),
                                        empty({0, 4})},
                                       kGrid, {});
  EXPECT_EQ(pillars.cells.to_vector(), std::vector<double>{0});
  EXPECT_EQ(pillars.dropped, 0);
}

TEST(Pillars, SamplesFollowOneAnother) {
  const Tensor a = testing::golden_points("points.0", 100), b = testing::golden_points("points.1", 80);
  const LidarOptions options{.max_points = 4, .max_pillars = 60};
  const Pillars both = make_pillars({a, b}, kGrid, options);
  const Pillars first = make_pillars({a}, kGrid, options), second = make_pillars({b}, kGrid, options);
  ASSERT_EQ(both.size(), first.size() + second.size());
  EXPECT_EQ(both.features.to_vector(), ops::cat({first.features, second.features}, 0).to_vector());
  EXPECT_EQ(both.cells.to_vector()[static_cast<size_t>(first.size())], second.cells.to_vector()[0] + 32 * 48);
}

TEST(Pillars, WrongShapesAreNamed) {
  EXPECT_THROW(make_pillars({zeros({3, 5})}, kGrid, {}), Error);
  EXPECT_THROW(make_pillars({zeros({3, 4}, {DType::Float64})}, kGrid, {}), Error);
  EXPECT_THROW(make_pillars({Tensor()}, kGrid, {}), Error);
}

TEST(PillarFeatureNet, NoPointsGiveAnEmptyMapInEveryMode) {
  Generator generator(1);
  PillarFeatureNet vfe({.vfe_channels = 5}, generator);
  PointPillarsScatter scatter(kGrid);
  for (bool training : {true, false}) {
    vfe.set_training(training);
    const Pillars pillars = make_pillars({empty({0, 4}), empty({0, 4})}, kGrid, {});
    const Tensor map = scatter.forward(vfe.forward(pillars), pillars, 2);
    ASSERT_EQ(map.sizes(), (Shape{2, 5, 32, 48}));
    EXPECT_EQ(ops::sum_of_squares(map), 0);
  }
}

}  // namespace
}  // namespace bevgrad
