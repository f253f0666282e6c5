// Weights and inputs that do not belong together are refused in one line.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "deploy/random_checkpoint.h"
#include "support/error_of.h"
#include "train/frame_stream.h"
#include "train/network_state.h"
#include "train/predict_file.h"
#include "train/predict_inputs.h"
#include "train/predictor.h"

namespace bevgrad {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

void load(const configs::Document& document, const std::string& ckpt) {
  RunLog log("", true);
  TrainedNetwork(document, {.ckpt = ckpt}, log, standard_parts());
}

TEST(TrainedNetwork, AnotherConfigWithTheSameShapesIsRefused) {
  const std::string ckpt = random_checkpoint(TinyData::get().document("mini_step2_static"), "config.h5");
  for (const auto& [set, field] :
       {std::pair{"sensors.mean=[1, 2, 3]", "sensors.mean"},
        {"network.view_heights=[0, 2]", "network.view_heights[1]: 1 -> 2"},
        {"temporal.intervals=[0.2, 0.6]", "temporal.intervals[1]"},
        {"grid.pc_range=[-20.8, -22.4, -3, 62.4, 22.4, 4]", "grid.pc_range[5]: 5 -> 4"},
        {"network.static_head.lane_classes[0]=DashedLane", "network.static_head.lane_classes[0]"},
        {"sensors.groups[2].cameras[0].name=right_front", "sensors.groups[2].cameras[0].name"}}) {
    const std::string text =
        testing::error_of([&] { load(TinyData::get().document("mini_step2_static", {set}), ckpt); });
    EXPECT_THAT(text, AllOf(HasSubstr("config.h5: it was trained with another config"), HasSubstr(field))) << set;
    EXPECT_THAT(text, Not(HasSubstr("\n")));
  }
}

TEST(TrainedNetwork, WhatDoesNotChangeTheWeightsMeaningMayDiffer) {
  const std::string ckpt = random_checkpoint(TinyData::get().document("mini_step2_static"), "same.h5");
  for (const char* set : {"network.static_head.score_threshold=0.7", "train.base_lr=1", "network.lidar.max_pillars=99",
                          "sensors.groups[0].cameras[0].yaw=3", "temporal.match_tol=0.05"})
    EXPECT_NO_THROW(load(TinyData::get().document("mini_step2_static", {set}), ckpt)) << set;
}

TEST(PredictInputs, TheOwnVehicleIsBlackAndSeenByNothing) {
  const std::string mask =
      "sensors.groups[0].cameras[0].ego_mask[0].corners=[-0.5, -0.5, 1e4, -0.5, 1e4, 1e4, -0.5, 1e4]";
  const configs::Document plain = TinyData::get().document("mini_step2_static"),
                          masked = TinyData::get().document("mini_step2_static", {mask});
  Generator generator(5);
  const Tensor bytes = ops::to(generator.uniform({4, 4, 3, 32, 48}, 1, 255), DType::UInt8);
  for (const std::string& path :
       {write_inputs(plain, "float_images.h5"), write_inputs(plain, "byte_images.h5", true, bytes)}) {
    const NetworkInput before = PredictInputs(path, plain.proto).input(1),
                       after = PredictInputs(path, masked.proto).input(1);
    EXPECT_TRUE(before.cameras[0][0].ego_mask.empty());
    EXPECT_FALSE(CameraProjector(after.cameras[0][0]).project({20, 0, 0}).has_value());
    const bool is_bytes = after.images[0].dtype() == DType::UInt8;
    const double mean = plain.proto.sensors().mean(0), std = plain.proto.sensors().std(0);
    for (const double value : ops::select(ops::select(after.images[0], 0, 0), 0, 0).to_vector())
      ASSERT_NEAR(value, is_bytes ? 0 : -mean / std, 1e-5);
    EXPECT_EQ(after.images[1].to_vector(), before.images[1].to_vector());
  }
}

TEST(TrainedNetwork, AStageThatTheFileLacksBeginsAsTrainingBegins) {
  const configs::Document document = TinyData::get().document("mini_step2_static");
  const std::string step1 = random_checkpoint(TinyData::get().document("mini_step1"), "lacks.h5");
  RunLog log("", true);
  TrainedNetwork trained(document, {.ckpt = step1}, log, standard_parts());
  Generator generator(document.proto.seed());
  Network drawn(configs::network_options(document), generator, network_parts(document, standard_parts()));
  load_network(drawn, step1, log);
  const NamedTensors expected = drawn.state_dict(), actual = trained.network().state_dict();
  ASSERT_EQ(actual.size(), expected.size());
  bool has_fusion = false;
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(actual[i].second.to_vector(), expected[i].second.to_vector()) << expected[i].first;
    has_fusion |= expected[i].first.starts_with("bev_static_temporal_fusion.score.weight") &&
                  expected[i].second.to_vector().front() != 0;
  }
  EXPECT_TRUE(has_fusion);
}

TEST(TrainedNetwork, MapsThatAreNotFiniteAreNamedAndNotRemembered) {
  const configs::Document document = TinyData::get().document("mini_step2_static");
  RunLog log("", true);
  TrainedNetwork trained(document, {.ckpt = random_checkpoint(document, "finite.h5")}, log, standard_parts());
  const PredictInputs inputs(write_inputs(document, "finite_in.h5"), document.proto);
  FrameStream stream(trained), quiet(trained);
  for (int64_t i = 0; i < 3; ++i) {
    NetworkInput bad = inputs.input(i);
    bad.images[0].data<float>()[5] = std::numeric_limits<float>::quiet_NaN();
    EXPECT_THAT(testing::error_of([&] { stream.play(bad, inputs.moment(i)); }),
                AllOf(HasSubstr("bev_camera is not finite"), HasSubstr("stage1_backbone")));
    const Tensor lane = stream.play(inputs.input(i), inputs.moment(i)).maps.at("lane_logits");
    EXPECT_EQ(lane.to_vector(), quiet.play(inputs.input(i), inputs.moment(i)).maps.at("lane_logits").to_vector());
  }
}

TEST(TrainedNetwork, CamerasInAnotherOrderAreRefused) {
  const configs::Document document = TinyData::get().document("mini_step1");
  const std::string path = write_inputs(document, "order_in.h5");
  StateDict datasets;
  {
    const Hdf5Reader reader(path);
    for (const char* name : {"images", "intrinsics", "distortion", "sensor2ego"})
      datasets.emplace_back(name, reader.read(name));
    for (int i = 0; i < 4; ++i)
      datasets.emplace_back(fmt::format("points/{}", i), reader.read(fmt::format("points/{}", i)));
  }
  const std::string turned = TinyData::get().path("order_turned.h5");
  Hdf5Writer writer(turned);
  for (auto& [name, value] : datasets) {
    if (name == "sensor2ego") {
      const Tensor front = ops::contiguous(ops::narrow(value, 1, 0, 1)),
                   back = ops::contiguous(ops::narrow(value, 1, 1, 1));
      value = ops::contiguous(ops::cat({back, front, ops::narrow(value, 1, 2, 2)}, 1));
    }
    writer.write(name, value);
  }
  writer.commit();
  RunLog log("", true);
  const std::string outputs = TinyData::get().path("order_out.h5");
  EXPECT_THAT(
      testing::error_of([&] {
        predict(document,
                {.ckpt = random_checkpoint(document, "order.h5"), .inputs = turned, .outputs = outputs, .taps = {}},
                log);
      }),
      AllOf(HasSubstr("order_turned.h5"), HasSubstr("which is \"front\" in the config"), HasSubstr("\"back\"")));
  EXPECT_FALSE(std::filesystem::exists(outputs));
}

}  // namespace
}  // namespace bevgrad
