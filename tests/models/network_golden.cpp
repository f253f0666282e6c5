// The tiny network against plain PyTorch (tests/golden/models/make_goldens.py), part by part.
#include "models/network.h"

#include <gtest/gtest.h>

#include "autograd/functions/pointwise.h"
#include "autograd/functions/reduce.h"
#include "models/network_fixture.h"
#include "models/tap.h"
#include "support/devices.h"

namespace bevgrad {
namespace {

using namespace testing;

struct Variant {
  const char* name;
  void (*change)(NetworkOptions&);
  bool dynamic = true;
};

class NetworkGolden : public ::testing::TestWithParam<Variant> {};

TEST_P(NetworkGolden, EvaluationMatchesPyTorch) {
  const auto golden = load_golden(fmt::format("models/{}.golden", GetParam().name));
  NetworkOptions options = tiny_options();
  GetParam().change(options);
  Generator generator(1);
  Network network(options, generator, tiny_parts(GetParam().dynamic));
  golden_fill(network.state_dict());
  network.set_training(false);

  const NoGradGuard no_grad;
  for (const Device device : test_devices()) {
    SCOPED_TRACE(to_string(device));
    network.move_to(device);
    const auto maps = named_maps(network.forward(golden_input(options, golden), golden_history(options, golden)));
    int compared = 0;
    for (const auto& [name, expected] : golden) {
      if (name.starts_with("tap.") || name == "rig" || name == "matrices" || name == "valid") continue;
      ASSERT_TRUE(maps.contains(name)) << name;
      EXPECT_EQ(maps.at(name).device(), device) << name;
      EXPECT_LT(relative_error(maps.at(name), expected), 2e-5) << name;
      ++compared;
    }
    EXPECT_GE(compared, 5);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Variants, NetworkGolden,
    ::testing::Values(Variant{"base", [](NetworkOptions&) {}},
                      Variant{"legacy", [](NetworkOptions& o) { o.lidar.legacy = true; }},
                      Variant{"no_pool", [](NetworkOptions& o) { o.stem_max_pool = false; }},
                      Variant{"bilinear", [](NetworkOptions& o) { o.temporal.bilinear = true; }},
                      Variant{"camera_only", [](NetworkOptions& o) { o.enable_lidar = false; }, false},
                      Variant{"single_frame", [](NetworkOptions& o) { o.enable_static_temporal = false; }}),
    [](const auto& info) { return info.param.name; });

TEST(NetworkTaps, EveryModuleMatchesPyTorch) {
  const auto golden = load_golden("models/base.golden");
  const NetworkOptions options = tiny_options();
  Generator generator(1);
  Network network(options, generator, tiny_parts());
  golden_fill(network.state_dict());
  network.set_training(false);
  std::vector<std::string> paths;
  for (const auto& [name, child] : network.children()) paths.push_back(name);

  const NoGradGuard no_grad;
  for (const Device device : test_devices()) {
    SCOPED_TRACE(to_string(device));
    network.move_to(device);
    std::map<std::string, Tensor> taps;
    {
      TapRecorder recorder(network, paths);
      network.forward(golden_input(options, golden), golden_history(options, golden));
      taps = recorder.take();
    }
    int compared = 0;
    for (const auto& [name, expected] : golden) {
      if (!name.starts_with("tap.")) continue;
      ASSERT_TRUE(taps.contains(name.substr(4))) << name;
      EXPECT_LT(relative_error(taps.at(name.substr(4)), expected), 2e-5) << name;
      ++compared;
    }
    EXPECT_GE(compared, 8);
  }
}

TEST(NetworkTaps, InsideAFusedStepTheStepIsTakenApart) {
  const auto golden = load_golden("models/base.golden");
  const NetworkOptions options = tiny_options();
  Generator generator(1);
  Network network(options, generator, tiny_parts());
  golden_fill(network.state_dict());
  network.set_training(false);
  const NoGradGuard no_grad;
  const NetworkInput input = golden_input(options, golden);
  const NetworkOutput plain = network.forward(input);
  TapRecorder recorder(network, {"fuser.0", "fuser.1", "bev_static_temporal_fusion.fusion_conv.2"});
  const NetworkOutput out = network.forward(input);
  const auto taps = recorder.take();
  EXPECT_LT(relative_error(out.at("lane_logits"), plain.at("lane_logits")), 1e-5);
  EXPECT_LT(relative_error(ops::relu(taps.at("fuser.1")), plain.at("bev_fused")), 1e-5);
  EXPECT_EQ(taps.at("fuser.0").sizes(), plain.at("bev_fused").sizes());
  // Before the activation.
  EXPECT_LT(
      ops::neg(ops::max(ops::reshape(ops::neg(taps.at("bev_static_temporal_fusion.fusion_conv.2")), {-1}), 0)).item(),
      0);
}

TEST(NetworkTaps, AWrongNameIsNamed) {
  Generator generator(1);
  Network network(tiny_options(), generator, tiny_parts());
  EXPECT_THROW(
      {
        try {
          TapRecorder recorder(network, {"stage1_backbone0.layer5"});
        } catch (const UsageError& error) {
          EXPECT_NE(std::string(error.what()).find("stage1_backbone0.layer5"), std::string::npos);
          throw;
        }
      },
      UsageError);
}

class NetworkTraining : public ::testing::TestWithParam<Device> {};

INSTANTIATE_TEST_SUITE_P(Devices, NetworkTraining, ::testing::ValuesIn(test_devices()),
                         [](const auto& info) { return info.param.is_cpu() ? "cpu" : "cuda"; });

TEST_P(NetworkTraining, OutputsGradientsAndStatisticsMatchPyTorch) {
  const auto golden = load_golden("models/training.golden");
  const auto base = load_golden("models/base.golden");
  const NetworkOptions options = tiny_options();
  Generator generator(1);
  Network network(options, generator, tiny_parts());
  golden_fill(network.state_dict());
  network.move_to(GetParam());
  History history = golden_history(options, base);
  for (Tensor& frame : history.prev_feat_list) frame = ops::to(frame, GetParam());
  for (const Tensor& frame : history.prev_feat_list) set_requires_grad(frame, true);

  const auto maps = named_maps(network.forward(golden_input(options, base), history));
  Tensor loss;
  for (const auto& [name, map] : maps) {
    EXPECT_LT(relative_error(map, golden.at(name)), 1e-4) << name;
    if (name.starts_with("bev_") || name == "fusion_weights") continue;
    const Tensor term = sum(mul(map, ops::to(golden_tensor("dy." + name, map.sizes()), GetParam())));
    loss = loss.defined() ? add(loss, term) : term;
  }
  backward(loss);

  NamedTensors leaves = network.named_parameters();
  for (size_t k = 0; k < 3; ++k) leaves.emplace_back(fmt::format("history.{}", k), history.prev_feat_list[k]);
  for (const auto& [name, leaf] : leaves) {
    ASSERT_TRUE(grad(leaf).defined()) << name;
    const Tensor gradient = ops::to(grad(leaf), DType::Float64);
    const std::vector<double> expected = golden.at("grad." + name).to_vector();
    const Tensor probe = ops::to(ops::to(golden_tensor("probe." + name, leaf.sizes()), DType::Float64), GetParam());
    const double norm = std::sqrt(ops::sum_of_squares(gradient));
    EXPECT_NEAR(norm, expected[0], 2e-3 * expected[0] + 1e-5) << name;
    EXPECT_NEAR(ops::sum(ops::mul(gradient, probe)).item(), expected[1], 4e-3 * expected[0] + 1e-5) << name;
  }
  const NamedTensors buffers = network.named_buffers();
  int compared = 0;
  for (const auto& [name, buffer] : buffers) {
    if (!golden.contains("buffer." + name)) continue;
    EXPECT_LT(relative_error(buffer, golden.at("buffer." + name)), 1e-4) << name;
    ++compared;
  }
  EXPECT_GE(compared, 10);
}

}  // namespace
}  // namespace bevgrad
