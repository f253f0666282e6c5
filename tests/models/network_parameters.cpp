// Names and numbers of the parameters are public API.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "models/network.h"
#include "models/network_fixture.h"

namespace bevgrad {
namespace {

// Weights of the full-size network are drawn once for all tests.
Network& full_network() {
  static Generator generator(1);
  static const auto network = [] {
    NetworkOptions options;
    options.enable_static_temporal = true;
    NetworkParts parts;
    parts.heads = {testing::static_head_spec({}), testing::dynamic_head_spec({})};
    return std::make_unique<Network>(options, generator, parts);
  }();
  return *network;
}

TEST(NetworkParameters, FullSizeHasTheRightNumbers) {
  Network& network = full_network();
  EXPECT_EQ(network.parameter_count(), 93048842);
  EXPECT_EQ(network.state_dict().size(), 1135u);
  const std::pair<const char*, int64_t> expected[] = {{"stage1_backbone0", 21284672},
                                                      {"stage1_backbone1", 21284672},
                                                      {"stage1_backbone2", 21284672},
                                                      {"stage1_backbone3", 21284672},
                                                      {"stage1_neck0", 262656},
                                                      {"stage1_neck1", 246144},
                                                      {"stage1_neck2", 262656},
                                                      {"stage1_neck3", 246144},
                                                      {"view_transfer", 590080},
                                                      {"lidar_vfe", 768},
                                                      {"lidar_middle_encoder", 0},
                                                      {"lidar_bev_backbone", 4388608},
                                                      {"fuser", 590080},
                                                      {"bev_static_temporal_fusion", 295553},
                                                      {"bev_static_head", 721271},
                                                      {"bev_dynamic_head", 306194}};
  ASSERT_EQ(network.children().size(), std::size(expected));
  for (size_t i = 0; i < std::size(expected); ++i) {
    EXPECT_EQ(network.children()[i].first, expected[i].first);
    EXPECT_EQ(network.children()[i].second->parameter_count(), expected[i].second) << expected[i].first;
  }
}

TEST(NetworkParameters, NamesAreThoseOfThePublicImplementations) {
  std::map<std::string, Shape> shapes;
  for (const auto& [name, tensor] : full_network().state_dict()) shapes[name] = tensor.sizes();
  const std::pair<const char*, Shape> expected[] = {
      {"stage1_backbone0.conv1.weight", {64, 3, 7, 7}},
      {"stage1_backbone0.bn1.num_batches_tracked", {}},
      {"stage1_backbone1.layer1.2.conv2.weight", {64, 64, 3, 3}},
      {"stage1_backbone2.layer2.0.downsample.0.weight", {128, 64, 1, 1}},
      {"stage1_backbone2.layer2.0.downsample.1.running_var", {128}},
      {"stage1_backbone3.layer4.2.bn2.weight", {512}},
      {"stage1_neck0.lateral_convs.0.conv.weight", {128, 128, 1, 1}},
      {"stage1_neck0.lateral_convs.2.conv.bias", {128}},
      {"stage1_neck1.lateral_convs.1.conv.weight", {128, 512, 1, 1}},
      {"stage1_neck3.fpn_convs.0.conv.weight", {128, 128, 3, 3}},
      {"view_transfer.conv.weight", {128, 512, 3, 3}},
      {"view_transfer.bn.weight", {128}},
      {"lidar_vfe.pfn_layers.0.linear.weight", {64, 10}},
      {"lidar_vfe.pfn_layers.0.norm.running_mean", {64}},
      {"lidar_bev_backbone.blocks.0.0.weight", {64, 64, 3, 3}},
      {"lidar_bev_backbone.blocks.1.15.weight", {128, 128, 3, 3}},
      {"lidar_bev_backbone.blocks.2.16.bias", {256}},
      {"lidar_bev_backbone.deblocks.0.0.weight", {128, 64, 2, 2}},
      {"lidar_bev_backbone.deblocks.1.0.weight", {128, 128, 1, 1}},
      {"lidar_bev_backbone.deblocks.2.0.weight", {256, 128, 2, 2}},
      {"lidar_bev_backbone.deblocks.2.1.weight", {128}},
      {"fuser.0.weight", {128, 512, 3, 3}},
      {"fuser.1.running_mean", {128}},
      {"bev_static_temporal_fusion.gamma", {128}},
      {"bev_static_temporal_fusion.score.weight", {1, 256, 1, 1}},
      {"bev_static_temporal_fusion.fusion_conv.2.bias", {128}},
      {"bev_static_head.trunk.1.conv2.weight", {128, 128, 3, 3}},
      {"bev_static_head.up1.conv.weight", {64, 128, 3, 3}},
      {"bev_static_head.up2.bn.weight", {32}},
      {"bev_static_head.lane.weight", {9, 32, 1, 1}},
      {"bev_static_head.road.bias", {4}},
      {"bev_static_head.instance.conv.weight", {64, 64, 3, 3}},
      {"bev_static_head.instance.heatmap.bias", {4}},
      {"bev_static_head.instance.box.weight", {6, 64, 1, 1}},
      {"bev_dynamic_head.shared_conv.bn.weight", {64}},
      {"bev_dynamic_head.task_heads.0.heatmap.0.conv.weight", {64, 64, 3, 3}},
      {"bev_dynamic_head.task_heads.0.rot.1.weight", {2, 64, 3, 3}},
      {"bev_dynamic_head.task_heads.0.vel.1.bias", {2}}};
  for (const auto& [name, shape] : expected) {
    ASSERT_TRUE(shapes.contains(name)) << name;
    EXPECT_EQ(shapes[name], shape) << name;
  }
  EXPECT_FALSE(shapes.contains("lidar_bev_backbone.blocks.0.0.bias"));
  EXPECT_FALSE(shapes.contains("stage1_backbone0.fc.weight"));
}

TEST(NetworkParameters, WhatIsSwitchedOffHasNone) {
  NetworkOptions options = testing::tiny_options();
  options.enable_lidar = options.enable_static_temporal = false;
  Generator generator(1);
  Network network(options, generator, testing::tiny_parts(false));
  std::set<std::string> prefixes;
  for (const auto& [name, tensor] : network.state_dict()) prefixes.insert(name.substr(0, name.find('.')));
  EXPECT_EQ(prefixes, (std::set<std::string>{"stage1_backbone0", "stage1_backbone1", "stage1_neck0", "stage1_neck1",
                                             "view_transfer", "fuser", "bev_static_head"}));
  EXPECT_EQ(network.switched_off(), (std::vector<std::string>{"lidar_vfe", "lidar_middle_encoder", "lidar_bev_backbone",
                                                              "bev_static_temporal_fusion", "bev_dynamic_head"}));
  EXPECT_EQ(network.find("fuser.0")->named_parameters().front().second.size(1), options.bev_channels);
}

TEST(NetworkParameters, StartingValues) {
  std::map<std::string, Tensor> state;
  for (const auto& [name, tensor] : full_network().state_dict()) state[name] = tensor;
  const auto mean_square = [&](const char* name) {
    return ops::sum_of_squares(state.at(name)) / static_cast<double>(state.at(name).numel());
  };
  // He's normal over the fan out.
  EXPECT_NEAR(mean_square("stage1_backbone0.layer3.1.conv1.weight"), 2.0 / (256 * 9), 2e-5);
  EXPECT_NEAR(mean_square("lidar_bev_backbone.blocks.1.3.weight"), 2.0 / (128 * 9), 5e-5);
  for (double v : state.at("bev_static_head.lane.bias").to_vector()) EXPECT_NEAR(v, -4.595, 1e-3);
  for (double v : state.at("bev_static_head.instance.heatmap.bias").to_vector()) EXPECT_NEAR(v, -2.197, 1e-3);
  for (double v : state.at("bev_dynamic_head.task_heads.0.heatmap.1.bias").to_vector()) EXPECT_NEAR(v, -2.197, 1e-3);
  for (double v : state.at("bev_static_temporal_fusion.gamma").to_vector()) EXPECT_EQ(v, 0);
  for (double v : state.at("fuser.1.weight").to_vector()) EXPECT_EQ(v, 1);
  for (double v : state.at("fuser.1.running_var").to_vector()) EXPECT_EQ(v, 1);
}

TEST(NetworkParameters, TheSeedDecidesTheStart) {
  const NetworkOptions options = testing::tiny_options();
  Generator a(5), b(5), c(6);
  Network first(options, a, testing::tiny_parts()), second(options, b, testing::tiny_parts()),
      third(options, c, testing::tiny_parts());
  const Tensor x = first.find("fuser.0")->named_parameters().front().second;
  EXPECT_EQ(x.to_vector(), second.find("fuser.0")->named_parameters().front().second.to_vector());
  EXPECT_NE(x.to_vector(), third.find("fuser.0")->named_parameters().front().second.to_vector());
}

TEST(NetworkStages, EveryParameterBelongsToOneThatSaysWhetherItIsOfTheEncoder) {
  Generator generator(1);
  NetworkParts parts = testing::tiny_parts();
  parts.heads[1].name = "bev_lookalike";  // a head by its place, not by the beginning of its name
  const Network network(testing::tiny_options(), generator, parts);
  std::set<std::string> encoder, rest;
  for (const auto& [name, tensor] : network.state_dict()) {
    const Stage* stage = network.stage_of(name);
    ASSERT_NE(stage, nullptr) << name;
    EXPECT_EQ(name.substr(0, name.find('.')), stage->name);
    (network.is_encoder(name) ? encoder : rest).insert(stage->name);
  }
  EXPECT_EQ(encoder, (std::set<std::string>{"stage1_backbone0", "stage1_backbone1", "stage1_neck0", "stage1_neck1",
                                            "view_transfer", "lidar_vfe", "lidar_bev_backbone", "fuser"}));
  EXPECT_EQ(rest, (std::set<std::string>{"bev_static_temporal_fusion", "bev_static_head", "bev_lookalike"}));
  EXPECT_TRUE(network.is_encoder("lidar_middle_encoder"));
  EXPECT_TRUE(network.stage_of("bev_static_temporal_fusion.gamma")->is_neutral_untrained);
  EXPECT_FALSE(network.stage_of("bev_static_head.lane.bias")->is_neutral_untrained);
  EXPECT_EQ(network.stage_of("bev_static_head2.lane.bias"), nullptr);
}

TEST(NetworkOptions, WhatCannotBeBuiltIsNamed) {
  const auto message = [](auto change) {
    NetworkOptions options = testing::tiny_options();
    change(options);
    try {
      options.validate();
    } catch (const UsageError& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  using Options = NetworkOptions;
  EXPECT_EQ(message([](Options&) {}), "accepted");
  EXPECT_EQ(message([](Options& o) { o.groups.clear(); }), "accepted");
  EXPECT_THAT(message([](Options& o) {
                o.groups.clear();
                o.enable_lidar = false;
              }),
              ::testing::HasSubstr("no camera group and no LiDAR"));
  EXPECT_THAT(message([](Options& o) { o.groups[1].num_cameras = 0; }),
              ::testing::HasSubstr("group sides has 0 cameras"));
  EXPECT_THAT(message([](Options& o) { o.groups[0].taps = {2, 4}; }), ::testing::HasSubstr("taps must rise by one"));
  EXPECT_THAT(message([](Options& o) { o.groups[0].height = 72; }), ::testing::HasSubstr("72x96 is not a multiple"));
  EXPECT_THAT(message([](Options& o) { o.grid.x_max = 6.5; }), ::testing::HasSubstr("whole number of cells"));
  EXPECT_THAT(message([](Options& o) { o.image_std[1] = 0; }), ::testing::HasSubstr("image std"));
}

}  // namespace
}  // namespace bevgrad
