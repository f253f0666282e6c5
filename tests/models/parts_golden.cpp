// The parts that a config may choose against PyTorch (tests/golden/models/make_parts.py), and their names.
#include <gtest/gtest.h>

#include "autograd/functions/pointwise.h"
#include "autograd/functions/reduce.h"
#include "models/camera/generalized_lss_fpn.h"
#include "models/camera/lift_splat.h"
#include "models/camera/resnet.h"
#include "models/network_fixture.h"
#include "support/devices.h"

namespace bevgrad::testing {
namespace {

using Tensors = std::vector<Tensor>;

const std::map<std::string, Tensor>& golden() {
  static const std::map<std::string, Tensor> file = load_golden("models/parts.golden");
  return file;
}

/// Outputs in training, and the gradients of inputs and parameters, on every device.
void expect_golden(const std::string& name, Module& module, const std::vector<std::pair<std::string, Shape>>& inputs,
                   const std::function<Tensors(const Tensors&)>& forward) {
  for (const Device device : test_devices()) {
    SCOPED_TRACE(name + " on " + to_string(device));
    golden_fill(module.state_dict(name));
    module.move_to(device);
    Tensors leaves;
    for (const auto& [input, sizes] : inputs) {
      leaves.push_back(ops::to(golden_tensor(name + "." + input, sizes), device));
      set_requires_grad(leaves.back(), true);
    }
    const Tensors outputs = forward(leaves);
    Tensor total;
    for (size_t i = 0; i < outputs.size(); ++i) {
      const std::string number = std::to_string(i);
      EXPECT_LT(relative_error(detach(outputs[i]), golden().at(name + ".y" + number)), 2e-5) << "output " << i;
      const Tensor dy = ops::to(golden_tensor(name + ".dy" + number, outputs[i].sizes()), device);
      const Tensor share = sum(mul(outputs[i], dy));
      total = total.defined() ? add(total, share) : share;
    }
    backward(total);
    for (size_t i = 0; i < inputs.size(); ++i)
      EXPECT_LT(relative_error(grad(leaves[i]), golden().at(name + ".d." + inputs[i].first)), 2e-4) << inputs[i].first;
    for (const auto& [parameter, tensor] : module.named_parameters()) {
      const Tensor g = ops::to(ops::to(grad(tensor), Device()), DType::Float64);
      const Tensor probe = ops::to(golden_tensor(name + ".probe." + parameter, tensor.sizes()), DType::Float64);
      const std::vector<double> expected = golden().at(name + ".grad." + parameter).to_vector();
      const double norm = std::sqrt(ops::sum(ops::mul(g, g)).item()), product = ops::sum(ops::mul(g, probe)).item();
      const double tolerance = 2e-4 * std::max(expected[0], 1e-3);
      EXPECT_NEAR(norm, expected[0], tolerance) << parameter;
      EXPECT_NEAR(product, expected[1], tolerance * std::sqrt(static_cast<double>(g.numel()))) << parameter;
      set_grad(tensor, {});
    }
  }
}

TEST(PartsGolden, BottleneckResNet) {
  Generator generator(1);
  ResNet resnet({.width = 4, .blocks = {2, 1, 2, 1}, .bottleneck = true}, generator);
  expect_golden("resnet", resnet, {{"images", {2, 3, 32, 64}}}, [&](const Tensors& x) { return resnet.forward(x[0]); });
  EXPECT_EQ(resnet.out_channels(), (std::vector<int64_t>{32, 64, 128}));
}

TEST(PartsGolden, GeneralizedLssFpn) {
  Generator generator(1);
  GeneralizedLssFpn three({3, 5, 7}, 4, generator);
  expect_golden("lss_fpn", three, {{"x0", {2, 3, 10, 12}}, {"x1", {2, 5, 5, 6}}, {"x2", {2, 7, 3, 3}}},
                [&](const Tensors& x) { return Tensors{three.forward(x)}; });
  GeneralizedLssFpn two({3, 5}, 4, generator);
  expect_golden("lss_fpn_two", two, {{"x0", {2, 3, 4, 6}}, {"x1", {2, 5, 2, 3}}},
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
  expect_golden("lift", lift, {{"x0", {2, 5, 8, 12}}, {"x1", {4, 5, 8, 8}}}, [&](const Tensors& x) {
    const ViewTransformOutput output = lift.forward(x, rigs);
    EXPECT_EQ(output.maps.at(0).first, "depth_logits/0");
    EXPECT_EQ(output.maps.at(1).first, "depth_logits/1");
    return Tensors{output.bev, output.maps[0].second, output.maps[1].second};
  });
}

// torchvision's resnet34, resnet50 and resnet101 have 21,797,672, 25,557,032 and 44,549,160 parameters, of which `fc`
// has 513,000 and 2,049,000.
TEST(ResNetNames, AreTorchvisions) {
  Generator generator(1);
  const ResNet resnet34({}, generator), resnet50({.bottleneck = true}, generator),
      resnet101({.blocks = {3, 4, 23, 3}, .bottleneck = true}, generator);
  EXPECT_EQ(resnet34.parameter_count(), 21797672 - 513000);
  EXPECT_EQ(resnet50.parameter_count(), 25557032 - 2049000);
  EXPECT_EQ(resnet101.parameter_count(), 44549160 - 2049000);
  std::map<std::string, Shape> names;
  for (const auto& [name, tensor] : resnet50.state_dict()) names[name] = tensor.sizes();
  EXPECT_EQ(names.at("layer1.0.conv3.weight"), (Shape{256, 64, 1, 1}));
  EXPECT_EQ(names.at("layer1.0.downsample.0.weight"), (Shape{256, 64, 1, 1}));
  EXPECT_EQ(names.at("layer4.2.bn3.running_var"), (Shape{2048}));
  EXPECT_EQ(names.at("layer3.0.conv2.weight"), (Shape{256, 256, 3, 3}));
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
