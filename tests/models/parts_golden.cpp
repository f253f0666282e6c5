// The parts that a config may choose against PyTorch (tests/golden/models/make_parts.py), and their names.
#include <gtest/gtest.h>

#include "models/camera/generalized_lss_fpn.h"
#include "models/camera/lift_splat.h"
#include "models/camera/resnet.h"
#include "models/golden_part.h"
#include "models/lidar/pillar_vfe.h"
#include "models/network_fixture.h"

namespace bevgrad::testing {
namespace {

const std::map<std::string, Tensor>& golden() {
  static const std::map<std::string, Tensor> file = load_golden("models/parts.golden");
  return file;
}

TEST(PartsGolden, BottleneckResNet) {
  Generator generator(1);
  ResNet resnet({.width = 4, .blocks = {2, 1, 2, 1}, .bottleneck = true}, generator);
  expect_golden(golden(), "resnet", resnet, {{"images", {2, 3, 32, 64}}},
                [&](const Tensors& x) { return resnet.forward(x[0]); });
  EXPECT_EQ(resnet.out_channels(), (std::vector<int64_t>{32, 64, 128}));
}

TEST(PartsGolden, GeneralizedLssFpn) {
  Generator generator(1);
  GeneralizedLssFpn three({3, 5, 7}, 4, generator);
  expect_golden(golden(), "lss_fpn", three, {{"x0", {2, 3, 10, 12}}, {"x1", {2, 5, 5, 6}}, {"x2", {2, 7, 3, 3}}},
                [&](const Tensors& x) { return Tensors{three.forward(x)}; });
  GeneralizedLssFpn two({3, 5}, 4, generator);
  expect_golden(golden(), "lss_fpn_two", two, {{"x0", {2, 3, 4, 6}}, {"x1", {2, 5, 2, 3}}},
                [&](const Tensors& x) { return Tensors{two.forward(x)}; });
  EXPECT_THROW(GeneralizedLssFpn({3}, 4, generator), Error);
}

TEST(PartsGolden, LiftSplatOfTwoRigs) {
  Generator generator(1);
  LiftSplat lift(5, 6, tiny_options().grid, {.channels = 4, .bins = {.start = 0.6, .step = 0.45, .count = 14}},
                 generator);
  std::vector<std::vector<Camera>> rigs(2);
  for (size_t n = 0; n < 2; ++n) {
    const Tensor& rig = golden().at(fmt::format("lift.rig{}", n));
    for (int64_t i = 0; i < rig.size(0); ++i) rigs[n].push_back(golden_camera(ops::select(rig, 0, i)));
  }
  expect_golden(golden(), "lift", lift, {{"x0", {2, 5, 8, 12}}, {"x1", {4, 5, 8, 8}}}, [&](const Tensors& x) {
    const ViewTransformOutput output = lift.forward(x, rigs);
    EXPECT_EQ(output.maps.at(0).first, "depth_logits/0");
    EXPECT_EQ(output.maps.at(1).first, "depth_logits/1");
    return Tensors{output.bev, output.maps[0].second, output.maps[1].second};
  });
}

TEST(PartsGolden, DynamicPillars) {
  Generator generator(1);
  LidarOptions options = tiny_options().lidar;
  options.dynamic = true;
  PillarFeatureNet vfe(options, generator);
  const Pillars pillars =
      make_pillars({golden_points("points.0", 300), golden_points("points.1", 300)}, tiny_options().grid, options);
  EXPECT_GT(pillars.size(), 2 * options.max_pillars);
  expect_golden(golden(), "dynamic", vfe, {}, [&](const Tensors&) { return Tensors{vfe.forward(pillars)}; });
}

TEST(NetworkParts, TheChosenPartsMakeANetworkWithDepthMaps) {
  NetworkParts parts = tiny_parts();
  parts.backbone = make_bottleneck_resnet;
  parts.neck = make_generalized_lss_fpn;
  parts.view_transform = [](const NetworkOptions& options, Generator& generator) -> std::unique_ptr<ViewTransform> {
    return std::make_unique<LiftSplat>(options.neck_channels, options.bev_channels, options.grid,
                                       LiftSplatOptions{.channels = 4, .bins = {.start = 1, .step = 0.5, .count = 10}},
                                       generator);
  };
  Generator generator(1);
  Network network(tiny_options(), generator, parts);
  const NetworkOutput output = network.forward(golden_input(network.options(), load_golden("models/base.golden")));
  EXPECT_EQ(output.at("depth_logits/0").sizes(), (Shape{2, 1, 10, 8, 12}));
  EXPECT_EQ(output.at("depth_logits/1").sizes(), (Shape{2, 2, 10, 4, 4}));
  EXPECT_EQ(output.at(kBevCamera).sizes(), (Shape{2, 8, 8, 12}));
  for (const auto& [name, value] : named_maps(output)) EXPECT_TRUE(ops::all_finite(value)) << name;
}

}  // namespace
}  // namespace bevgrad::testing
