// Parts of a program's own in the network.
#include "models/network_parts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/network_fixture.h"
#include "models/vgg_block_fusion.h"
#include "nn/conv.h"
#include "nn/init.h"
#include "support/error_of.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

using ::testing::HasSubstr;

/// One convolution of stride 8.
struct PatchBackbone : Backbone {
  Conv2d patches;
  explicit PatchBackbone(Generator& generator) : patches(3, 5, {.kernel = 8, .stride = 8}) {
    register_module("patches", patches);
    init::reset_parameters(*this, generator);
  }
  std::vector<Tensor> forward(const Tensor& images) override { return {patches.forward(images)}; }
  std::vector<int64_t> out_channels() const override { return {5}; }
};

/// Gives what it is told to.
struct ForeignFusion : TemporalFusion {
  TemporalFusionOutput output;
  TemporalFusionOutput forward(const Tensor&, const History&) override { return output; }
};

TEST(NetworkParts, AnotherBackboneFeedsTheStandardNeck) {
  NetworkParts parts;
  parts.backbone = [](const NetworkOptions&, const CameraGroupNetwork&, Generator& generator) {
    return std::make_unique<PatchBackbone>(generator);
  };
  const auto golden = testing::load_golden("models/base.golden");
  Generator generator(1);
  Network network(testing::tiny_options(), generator, parts);
  EXPECT_EQ(dynamic_cast<Conv2d&>(*network.find("stage1_neck0.lateral_convs.0.conv")).weight.sizes(),
            (Shape{6, 5, 1, 1}));
  const NetworkOutput output = network.encode(testing::golden_input(network.options(), golden));
  EXPECT_EQ(output.at(kBevFused).sizes(), (Shape{2, 8, 8, 12}));
  EXPECT_TRUE(network.is_encoder("stage1_backbone1.patches.weight"));
}

TEST(NetworkParts, WhatAFusionGivesIsChecked) {
  NetworkParts parts;
  ForeignFusion* fusion = nullptr;
  parts.temporal_fusion = [&](const NetworkOptions&, Generator&) {
    auto made = std::make_unique<ForeignFusion>();
    fusion = made.get();
    return made;
  };
  Generator generator(1);
  Network network(testing::tiny_options(), generator, parts);
  EXPECT_FALSE(network.stage_of("bev_static_temporal_fusion")->is_neutral_untrained);
  NetworkOutput output;
  output.set(kBevFused, zeros({1, 8, 8, 12}), "fuser");
  const auto decode = [&] { network.decode(output); };
  EXPECT_THAT(testing::error_of(decode), HasSubstr("the temporal fusion gave nothing without weights"));
  fusion->output = {zeros({1, 8, 8, 11}), zeros({1, 4, 8, 12})};
  EXPECT_THAT(testing::error_of(decode), HasSubstr("expected [1,8,8,12]"));
  fusion->output = {zeros({1, 8, 8, 12}), zeros({1, 4, 8, 12})};
  network.decode(output);
  EXPECT_TRUE(output.at(kBevTemporal).defined());
}

}  // namespace
}  // namespace bevgrad
