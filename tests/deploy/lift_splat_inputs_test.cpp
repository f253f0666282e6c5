// The inputs of an exported LiftSplat: summed as the model sums them, they pool as lift_splat does.
#include <gtest/gtest.h>

#include <cmath>

#include "bev/lift_splat.h"
#include "configs/load.h"
#include "export/stages.h"
#include "tensor/ops.h"
#include "train/options/from_config.h"

namespace bevgrad {
namespace {

constexpr int64_t kChannels = 3;

/// Of a batch, as the model has them: the pixels of a sample's groups one after the other.
struct Pixels {
  std::vector<std::vector<double>> depths, contexts;

  void add(const Tensor& depth, const Tensor& context, int64_t image) {
    const std::vector<double> d = ops::select(depth, 0, image).to_vector(),
                              c = ops::select(context, 0, image).to_vector();
    const size_t bins = static_cast<size_t>(depth.size(1)), count = d.size() / bins;
    for (size_t p = 0; p < count; ++p) {
      std::vector<double>&own = depths.emplace_back(), &features = contexts.emplace_back();
      for (size_t b = 0; b < bins; ++b) own.push_back(d[b * count + p]);
      for (size_t k = 0; k < kChannels; ++k) features.push_back(c[k * count + p]);
    }
  }
};

/// What export_lift_splat says in nodes.
std::vector<double> pooled(const NamedTensors& inputs, const Pixels& pixels) {
  std::vector<std::vector<double>> rows;
  const auto* runs = inputs[0].second.data<const int32_t>();
  for (int64_t row = 0; row < inputs[0].second.size(0); ++row) {
    std::vector<double>& sum = rows.emplace_back(kChannels, 0);
    for (int64_t k = 0; k < inputs[0].second.size(1); ++k, runs += 3) {
      const auto pixel = static_cast<size_t>(runs[0]);
      double weight = 0;
      for (auto bin = static_cast<size_t>(runs[1]); bin < static_cast<size_t>(runs[2]); ++bin)
        weight += pixels.depths.at(pixel).at(bin);
      for (size_t c = 0; c < kChannels; ++c) sum[c] += weight * pixels.contexts.at(pixel)[c];
    }
  }
  for (size_t i = 1; i < inputs.size(); ++i) {
    std::vector<std::vector<double>> sums;
    const auto* places = inputs[i].second.data<const int32_t>();
    for (int64_t row = 0; row < inputs[i].second.size(0); ++row) {
      std::vector<double>& sum = sums.emplace_back(kChannels, 0);
      for (int64_t k = 0; k < inputs[i].second.size(1); ++k, ++places)
        for (size_t c = 0; c < kChannels; ++c) sum[c] += rows.at(static_cast<size_t>(*places))[c];
    }
    rows = sums;
  }
  std::vector<double> all;
  for (const std::vector<double>& row : rows) all.insert(all.end(), row.begin(), row.end());
  return all;
}

TEST(LiftSplatInputs, SumTheRunsOfEveryCellOfTwoRigs) {
  const configs::Document document = configs::load({.config = "mini_step1"});
  const NetworkOptions options = configs::network_options(document);
  std::vector<Camera> rig;
  for (const config::CameraGroup& group : document.proto.sensors().groups())
    for (const config::Camera& camera : group.cameras()) rig.push_back(configs::rig_camera(group, camera));
  std::vector<Camera> moved = rig;
  for (Camera& camera : moved) camera.sensor2ego.m[3] += 1.5;
  const std::vector<std::vector<Camera>> rigs = {rig, moved};
  const DepthBins bins{.start = 0.5, .step = 1.5, .count = 20};
  const std::vector<BevSamplingGroup> groups = feature_groups(options);

  Generator generator(3);
  std::vector<Tensor> depths, contexts;
  for (const BevSamplingGroup& group : groups) {
    depths.push_back(generator.uniform({2 * group.cameras, bins.count, group.height, group.width}, 0, 1));
    contexts.push_back(generator.uniform({2 * group.cameras, kChannels, group.height, group.width}, -1, 1));
  }
  Pixels pixels;
  std::vector<std::shared_ptr<const LiftSplatting>> splattings;
  for (int64_t n = 0; n < 2; ++n) {
    splattings.push_back(
        std::make_shared<const LiftSplatting>(lift_table(options.grid, bins, groups, rigs[static_cast<size_t>(n)])));
    for (size_t g = 0; g < groups.size(); ++g)
      for (int64_t c = 0; c < groups[g].cameras; ++c) pixels.add(depths[g], contexts[g], n * groups[g].cameras + c);
  }
  const std::vector<double> expected =
      ops::contiguous(ops::permute(lift_splat(depths, contexts, splattings), {0, 2, 3, 1})).to_vector();

  const NamedTensors inputs = lift_splat_inputs(options, bins, rigs);
  ASSERT_EQ(inputs[0].first, "lift_runs");
  ASSERT_GE(inputs.size(), 3u);  // thousands of pixels: more than 16 * 16 runs may meet in a cell
  EXPECT_EQ(inputs[2].first, "lift_sums_2");
  const std::vector<double> got = pooled(inputs, pixels);
  ASSERT_EQ(got.size(), expected.size());
  double largest = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_NEAR(got[i], expected[i], 1e-4 * (1 + std::abs(expected[i]))) << i;
    largest = std::max(largest, std::abs(expected[i]));
  }
  EXPECT_GT(largest, 10);
}

}  // namespace
}  // namespace bevgrad
