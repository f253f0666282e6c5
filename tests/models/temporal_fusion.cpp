// Temporal fusion: what history is worth depends on its landing in the right cells.
#include "models/vgg_block_fusion.h"

#include <gtest/gtest.h>

#include <numbers>

#include "bev/warp.h"
#include "geometry/pose.h"
#include "models/network.h"
#include "models/network_fixture.h"

namespace bevgrad {
namespace {

using namespace testing;

constexpr int64_t kRows = 8, kColumns = 12;
const BevGrid kGrid = tiny_options().grid;

Tensor matrices_of(const std::vector<std::vector<GroundWarp>>& warps) {
  std::vector<double> values;
  for (const auto& sample : warps)
    for (const GroundWarp& warp : sample) values.insert(values.end(), warp.m.begin(), warp.m.end());
  return from_values(values, {static_cast<int64_t>(warps.size()), static_cast<int64_t>(warps[0].size()), 2, 3},
                     {DType::Float64});
}

/// Two channels: world x and y of each cell's centre, as seen from `pose`.
Tensor world_coordinates(const Pose& pose) {
  std::vector<double> values(static_cast<size_t>(2 * kRows * kColumns));
  for (int64_t row = 0; row < kRows; ++row) {
    for (int64_t column = 0; column < kColumns; ++column) {
      const Vec3 world = pose.apply({kGrid.x_min + (static_cast<double>(column) + 0.5) * kGrid.cell,
                                     kGrid.y_min + (static_cast<double>(row) + 0.5) * kGrid.cell, 0});
      const auto at = static_cast<size_t>(row * kColumns + column);
      values[at] = world.x;
      values[static_cast<size_t>(kRows * kColumns) + at] = world.y;
    }
  }
  return from_values(values, {1, 2, kRows, kColumns});
}

struct WarpCase {
  const char* name;
  double x, y, yaw;
  bool bilinear;
};
struct WorldWarp : ::testing::TestWithParam<WarpCase> {};

TEST_P(WorldWarp, AFeatureOfWorldCoordinatesReadsItsOwn) {
  const WarpCase& c = GetParam();
  const Pose history = Pose::from_yaw(105.3, -42.7, 0.2, 0.7);
  const Pose current = history * Pose::from_yaw(c.x, c.y, 0.0, c.yaw);
  const Tensor matrices = from_values(ground_warp(current, history).m, {1, 2, 3}, {DType::Float64});
  const BevRange range{kGrid.x_min, kGrid.y_min, kGrid.x_max, kGrid.y_max};
  const Tensor warped = warp_bev(world_coordinates(history), matrices, range,
                                 c.bilinear ? Interpolation::Bilinear : Interpolation::Nearest);
  const std::vector<double> mask = warp_mask(matrices, range, kRows, kColumns).to_vector();
  const std::vector<double> actual = warped.to_vector(), expected = world_coordinates(current).to_vector();
  // Nearest is off by half a cell's diagonal at most; bilinear is exact away from the border.
  const double tolerance = c.bilinear ? 1e-4 : kGrid.cell * std::numbers::sqrt2 / 2 + 1e-4;
  int compared = 0;
  for (int64_t i = 0; i < kRows * kColumns; ++i) {
    const auto x = static_cast<size_t>(i), y = static_cast<size_t>(kRows * kColumns + i);
    if (mask[x] == 0) continue;
    // Bilinear mixes the outermost half cell with zeros.
    const Vec2 source = ground_warp(current, history)
                            .apply({kGrid.x_min + (static_cast<double>(i % kColumns) + 0.5) * kGrid.cell,
                                    kGrid.y_min + (static_cast<double>(i / kColumns) + 0.5) * kGrid.cell});
    const double edge =
        std::min({source.x - kGrid.x_min, kGrid.x_max - source.x, source.y - kGrid.y_min, kGrid.y_max - source.y});
    if (c.bilinear && edge < kGrid.cell / 2) continue;
    EXPECT_LE(std::hypot(actual[x] - expected[x], actual[y] - expected[y]), tolerance) << i;
    ++compared;
  }
  EXPECT_GT(compared, 15);
}

INSTANTIATE_TEST_SUITE_P(Poses, WorldWarp,
                         ::testing::Values(WarpCase{"identity", 0, 0, 0, false}, WarpCase{"ahead", 2.4, 0, 0, false},
                                           WarpCase{"sideways", 0.3, -1.1, 0, false},
                                           WarpCase{"turned", 0.5, 0.4, 0.6, false},
                                           WarpCase{"turned_90", 1.7, 0.1, std::numbers::pi / 2, false},
                                           WarpCase{"back_90", 0.4, 0.3, -std::numbers::pi / 2, false},
                                           WarpCase{"half_turn", 2.9, 0.2, std::numbers::pi, false},
                                           WarpCase{"bilinear", 0.7, 0.5, 0.3, true}),
                         [](const auto& info) { return info.param.name; });

TEST(TemporalFusion, MatricesOfHandComputedPoses) {
  // The vehicle drove 10 m along its x axis (which points along world y) and then turned left by 90 degrees.
  const Pose history = Pose::from_yaw(3, 4, 0, std::numbers::pi / 2);
  const Pose current = Pose::from_yaw(3, 14, 0, std::numbers::pi);
  const GroundWarp warp = ground_warp(current, history);
  const std::array<double, 6> expected = {0, -1, 10, 1, 0, 0};
  for (size_t i = 0; i < 6; ++i) EXPECT_NEAR(warp.m[i], expected[i], 1e-12) << i;
}

TEST(TemporalFusion, IdentityPoseIsABitExactCopy) {
  Generator generator(1);
  VggBlockFusion fusion(4, {.history = 1}, kGrid, generator);
  const Tensor current = golden_tensor("current", {1, 4, kRows, kColumns});
  // With equal frames and equal weights the mean is the frame itself; gamma 0 leaves the output alone, so look at the
  // warp.
  const Tensor identity = matrices_of({{GroundWarp{}}});
  const Tensor warped = warp_bev(current, ops::select(identity, 1, 0),
                                 {kGrid.x_min, kGrid.y_min, kGrid.x_max, kGrid.y_max}, Interpolation::Nearest);
  EXPECT_EQ(warped.to_vector(), current.to_vector());
  const auto out = fusion.forward(current, {{current}, identity, ones({1, 1}, {DType::Bool})});
  for (double w : out.weights.to_vector()) EXPECT_FLOAT_EQ(w, 0.5);
}

TEST(TemporalFusion, UntrainedIsTheCurrentFeatureBitForBit) {
  Generator generator(1);
  VggBlockFusion fusion(4, {.history = 3}, kGrid, generator);
  const Tensor current = golden_tensor("current", {2, 4, kRows, kColumns});
  History history;
  for (int k = 0; k < 3; ++k) history.prev_feat_list.push_back(golden_tensor(fmt::format("h{}", k), current.sizes()));
  const GroundWarp ahead = ground_warp(Pose::from_yaw(1.3, 0.2, 0, 0.4), Pose{});
  history.feature_warp_matrix = matrices_of({{ahead, ahead, ahead}, {ahead, ahead, ahead}});
  history.valid = ones({2, 3}, {DType::Bool});
  EXPECT_EQ(fusion.forward(current, history).fused.to_vector(), current.to_vector());
}

TEST(TemporalFusion, MaskedFramesHaveNoWeightAndNoInfluence) {
  Generator generator(1);
  VggBlockFusion fusion(4, {.history = 3}, kGrid, generator);
  golden_fill(fusion.state_dict());
  const Tensor current = golden_tensor("current", {1, 4, kRows, kColumns});
  const GroundWarp out_of_range = ground_warp(Pose::from_yaw(50, 0, 0, 0), Pose{});
  History history;
  history.prev_feat_list = {golden_tensor("a", current.sizes()), golden_tensor("b", current.sizes()),
                            golden_tensor("c", current.sizes())};
  history.feature_warp_matrix = matrices_of({{GroundWarp{}, GroundWarp{}, out_of_range}});
  history.valid = from_values({1, 0, 1}, {1, 3}, {DType::Bool});
  const NoGradGuard no_grad;
  const auto first = fusion.forward(current, history);
  history.prev_feat_list[1] = golden_tensor("other", current.sizes());
  history.prev_feat_list[2] = {};
  const auto second = fusion.forward(current, history);
  EXPECT_EQ(first.fused.to_vector(), second.fused.to_vector());
  for (int64_t k : {2, 3})
    for (double w : ops::select(first.weights, 1, k).to_vector()) EXPECT_EQ(w, 0);
  for (double w : ops::sum(first.weights, {1}).to_vector()) EXPECT_NEAR(w, 1, 1e-6);
  // Without any history the current frame has all the weight.
  const auto alone = fusion.forward(current, {});
  for (double w : ops::select(alone.weights, 1, 0).to_vector()) EXPECT_EQ(w, 1);
}

TEST(TemporalFusion, BFloat16HistoryIsTakenAsItIs) {
  Generator generator(1);
  VggBlockFusion fusion(4, {.history = 1}, kGrid, generator);
  golden_fill(fusion.state_dict());
  const Tensor current = golden_tensor("current", {1, 4, kRows, kColumns});
  const Tensor stored = ops::to(golden_tensor("a", current.sizes()), DType::BFloat16);
  const Tensor identity = matrices_of({{GroundWarp{}}}), valid = ones({1, 1}, {DType::Bool});
  const auto half = fusion.forward(current, {{stored}, identity, valid});
  const auto single = fusion.forward(current, {{ops::to(stored, DType::Float32)}, identity, valid});
  EXPECT_EQ(half.fused.to_vector(), single.fused.to_vector());
}

TEST(TemporalFusion, OverlapSaysHowManyFramesHaveSeenACell) {
  Generator generator(1);
  VggBlockFusion fusion(4, {.history = 3, .overlap = true}, kGrid, generator);
  const NoGradGuard no_grad;
  // Convolutions that pass the last input on to the first channel.
  for (const auto& [name, tensor] : fusion.state_dict()) {
    ops::fill_(tensor, name == "gamma" ? 1 : 0);
    if (name == "fusion_conv.0.weight") {
      EXPECT_EQ(tensor.sizes(), (Shape{4, 5, 3, 3}));
      ops::fill_(ops::select(ops::select(ops::select(ops::select(tensor, 0, 0), 0, 4), 0, 1), 0, 1), 1);
    }
    if (name == "fusion_conv.2.weight")
      ops::fill_(ops::select(ops::select(ops::select(ops::select(tensor, 0, 0), 0, 0), 0, 1), 0, 1), 1);
  }
  const Tensor current = zeros({1, 4, kRows, kColumns});
  const GroundWarp out_of_range = ground_warp(Pose::from_yaw(50, 0, 0, 0), Pose{});
  const History history = {{current, current, current},
                           matrices_of({{GroundWarp{}, GroundWarp{}, out_of_range}}),
                           from_values({1, 0, 1}, {1, 3}, {DType::Bool})};
  const Tensor first = ops::select(fusion.forward(current, history).fused, 1, 0);
  for (const double share : first.to_vector()) EXPECT_EQ(share, 0.5);
}

TEST(TemporalFusion, WrongHistoriesAreRefused) {
  Generator generator(1);
  VggBlockFusion fusion(4, {.history = 1}, kGrid, generator);
  const Tensor current = golden_tensor("current", {1, 4, kRows, kColumns});
  const Tensor identity = matrices_of({{GroundWarp{}}}), valid = ones({1, 1}, {DType::Bool});
  EXPECT_THROW(fusion.forward(current, {{current, current}, identity, valid}), Error);
  EXPECT_THROW(fusion.forward(current, {{current}, ops::to(identity, DType::Float32), valid}), Error);
  EXPECT_THROW(fusion.forward(current, {{current}, identity, ones({1, 2}, {DType::Bool})}), Error);
  EXPECT_THROW(fusion.forward(current, {{zeros({1, 4, 2, 2})}, identity, valid}), Error);
}

}  // namespace
}  // namespace bevgrad
