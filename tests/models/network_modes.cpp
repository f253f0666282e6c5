// The same numbers whichever way the network runs: frozen or not, in chunks or at once, from uint8 or float32.
#include <gtest/gtest.h>

#include "models/camera/normalise.h"
#include "models/network.h"
#include "models/network_fixture.h"
#include "support/devices.h"

namespace bevgrad {
namespace {

using namespace testing;

struct NetworkModes : ::testing::Test {
  std::map<std::string, Tensor> golden = load_golden("models/base.golden");
  NetworkOptions options = tiny_options();
  Generator generator{1};

  std::unique_ptr<Network> make(const NetworkOptions& o) {
    auto network = std::make_unique<Network>(o, generator, tiny_parts());
    golden_fill(network->state_dict());
    network->set_training(false);
    return network;
  }
};

TEST_F(NetworkModes, ChunksOfTheTrunkChangeNothing) {
  const NoGradGuard no_grad;
  const NetworkInput input = golden_input(options, golden);
  options.trunk_chunk_pixels = 0;
  const NetworkOutput whole = make(options)->forward(input);
  options.trunk_chunk_pixels = 64 * 64 * 3;
  const NetworkOutput chunked = make(options)->forward(input);
  EXPECT_LT(relative_error(chunked.at("bev_fused"), whole.at("bev_fused")), 1e-6);
  EXPECT_LT(relative_error(chunked.at("lane_logits"), whole.at("lane_logits")), 1e-6);
}

TEST_F(NetworkModes, AFrozenTrunkGivesWhatEvaluationGivesAndKeepsNoGradient) {
  const NetworkInput input = golden_input(options, golden);
  auto network = make(options);
  Tensor expected;
  {
    const NoGradGuard no_grad;
    expected = network->forward(input).at("bev_fused");
  }
  network->set_training(true);
  for (const auto& [name, child] : network->children())
    if (!name.starts_with("bev_")) child->set_frozen(true);
  const NetworkOutput out = network->forward(input);
  EXPECT_LT(relative_error(out.at("bev_fused"), expected), 1e-6);
  EXPECT_FALSE(requires_grad(out.at("bev_fused")));
  EXPECT_TRUE(requires_grad(out.at("lane_logits")));
  backward(out.at("lane_logits"), ones(out.at("lane_logits").sizes()));
  // The lane logits do not depend on the other outputs of the head.
  for (const auto& [name, parameter] : network->named_parameters()) {
    const bool other_output = name.starts_with("bev_static_head.road") || name.starts_with("bev_static_head.instance");
    const bool wanted = name.starts_with("bev_static") && !other_output;
    EXPECT_EQ(grad(parameter).defined(), wanted) << name;
  }
}

TEST_F(NetworkModes, AnUntrainedFusionGivesWhatStepOneGave) {
  const NoGradGuard no_grad;
  const NetworkInput input = golden_input(options, golden);
  NetworkOptions single = options;
  single.enable_static_temporal = false;
  const NetworkOutput step1 = make(single)->forward(input);
  auto network = make(options);
  for (const auto& [name, parameter] : network->named_parameters())
    if (name == "bev_static_temporal_fusion.gamma") ops::fill_(parameter, 0);
  const NetworkOutput step2 = network->forward(input, golden_history(options, golden));
  EXPECT_EQ(step1.at("lane_logits").to_vector(), step2.at("lane_logits").to_vector());
  EXPECT_EQ(step1.at("instance_box").to_vector(), step2.at("instance_box").to_vector());
}

TEST_F(NetworkModes, Uint8ImagesAreNormalisedOnTheWay) {
  const NoGradGuard no_grad;
  options.image_mean = {123.7, 116.3, 103.5};
  options.image_std = {58.4, 57.1, 57.4};
  NetworkInput bytes = golden_input(options, golden), floats = bytes;
  for (size_t g = 0; g < bytes.images.size(); ++g) {
    const Tensor image = ops::to(ops::add(ops::mul(bytes.images[g], 127.0), 128.0), DType::UInt8);
    bytes.images[g] = ops::contiguous(image, MemoryFormat::ChannelsLast);
    const Tensor mean = from_values(options.image_mean, {1, 3, 1, 1}),
                 deviation = from_values(options.image_std, {1, 3, 1, 1});
    floats.images[g] = ops::div(ops::sub(ops::to(image, DType::Float32), mean), deviation);
  }
  auto network = make(options);
  EXPECT_LT(relative_error(network->forward(bytes).at("bev_fused"), network->forward(floats).at("bev_fused")), 1e-5);
}

TEST_F(NetworkModes, AmpStaysNearFloat32) {
  const NoGradGuard no_grad;
  const NetworkInput input = golden_input(options, golden);
  auto network = make(options);
  const NetworkOutput single = network->forward(input);
  network->set_backbone_amp(true);
  const NetworkOutput half = network->forward(input);
  EXPECT_EQ(half.at("bev_fused").dtype(), DType::Float32);
  EXPECT_LT(relative_error(half.at("bev_fused"), single.at("bev_fused")), 5e-2);
  EXPECT_GT(relative_error(half.at("bev_fused"), single.at("bev_fused")), 1e-6);
}

TEST_F(NetworkModes, HeadAmpStaysNearFloat32AndTrains) {
  const NetworkInput input = golden_input(options, golden);
  auto network = make(options);
  NetworkOutput single, half;
  {
    const NoGradGuard no_grad;
    single = network->forward(input);
    network->set_head_amp(true);
    half = network->forward(input);
  }
  EXPECT_EQ(relative_error(half.at("bev_fused"), single.at("bev_fused")), 0);
  EXPECT_EQ(half.at("lane_logits").dtype(), DType::Float32);
  EXPECT_LT(relative_error(half.at("lane_logits"), single.at("lane_logits")), 5e-2);
  EXPECT_GT(relative_error(half.at("lane_logits"), single.at("lane_logits")), 1e-6);
  network->set_training(true);
  const NetworkOutput out = network->forward(input);
  backward(out.at("lane_logits"), ones(out.at("lane_logits").sizes()));
  for (const auto& [name, parameter] : network->find("bev_static_head")->named_parameters()) {
    if (!grad(parameter).defined()) continue;
    EXPECT_EQ(grad(parameter).dtype(), DType::Float32) << name;
    EXPECT_TRUE(ops::all_finite(grad(parameter))) << name;
  }
}

TEST_F(NetworkModes, AmpTrains) {
  options.use_backbone_amp = true;
  auto network = make(options);
  network->set_training(true);
  const NetworkOutput out = network->forward(golden_input(options, golden));
  backward(out.at("lane_logits"), ones(out.at("lane_logits").sizes()));
  const Tensor weight = network->find("stage1_backbone0.conv1")->named_parameters().front().second;
  ASSERT_TRUE(grad(weight).defined());
  EXPECT_EQ(grad(weight).dtype(), DType::Float32);
  EXPECT_TRUE(ops::all_finite(grad(weight)));
}

TEST_F(NetworkModes, RecordedTrunksGiveTheSame) {
  const NoGradGuard no_grad;
  const NetworkInput input = golden_input(options, golden);
  for (const Device device : test_devices()) {
    SCOPED_TRACE(to_string(device));
    auto network = make(options);
    network->move_to(device);
    NetworkInput other = input;
    for (Tensor& images : other.images) images = ops::mul(images, 0.5);
    const Tensor expected = network->encode(input).at("bev_camera"),
                 expected_other = network->encode(other).at("bev_camera");
    network->set_cuda_graphs(true);
    for (int round = 0; round < 4; ++round) {
      EXPECT_EQ(network->encode(input).at("bev_camera").to_vector(), expected.to_vector()) << round;
      EXPECT_EQ(network->encode(other).at("bev_camera").to_vector(), expected_other.to_vector()) << round;
    }
    EXPECT_EQ(network->graph_replays(), device.is_cpu() ? 0 : 12)
        << "8 calls, two groups, less those that run and record";
    // Other weights: what was recorded is no more.
    for (const auto& [name, parameter] : network->named_parameters())
      if (name == "stage1_backbone0.conv1.weight") ops::mul_(parameter, 0.5);
    const Tensor changed = network->encode(input).at("bev_camera");
    network->set_cuda_graphs(false);
    EXPECT_EQ(network->encode(input).at("bev_camera").to_vector(), changed.to_vector());
    EXPECT_NE(changed.to_vector(), expected.to_vector());
    // Another precision and a write at once: each is seen, whatever they add up to.
    network->set_cuda_graphs(true);
    network->set_backbone_amp(true);
    for (int round = 0; round < 3; ++round) network->encode(input);
    network->set_backbone_amp(false);
    for (const auto& [name, parameter] : network->named_parameters())
      if (name == "stage1_backbone0.conv1.weight") ops::mul_(parameter, 1.0);
    EXPECT_EQ(network->encode(input).at(kBevCamera).to_vector(), changed.to_vector());
  }
}

TEST_F(NetworkModes, WrongInputsAreNamed) {
  const NoGradGuard no_grad;
  auto network = make(options);
  const auto message = [&](auto change) {
    NetworkInput input = golden_input(options, golden);
    change(input);
    try {
      network->forward(input);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  EXPECT_NE(message([](NetworkInput& i) { i.images.pop_back(); }).find("1 groups came, expected 2"), std::string::npos);
  EXPECT_NE(message([](NetworkInput& i) { i.images[1] = zeros({2, 3, 64, 64}); }).find("group 1"), std::string::npos);
  EXPECT_NE(message([](NetworkInput& i) { i.cameras[1].pop_back(); }).find("2 cameras"), std::string::npos);
  EXPECT_NE(message([](NetworkInput& i) { i.cameras[0][2].width = 65; }).find("65x64"), std::string::npos);
  EXPECT_NE(message([](NetworkInput& i) { i.points.clear(); }).find("points of 0 samples"), std::string::npos);
}

}  // namespace
}  // namespace bevgrad
