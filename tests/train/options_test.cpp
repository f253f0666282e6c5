// What the other rooms are told.
#include "train/options/from_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "configs/load.h"

namespace bevgrad::configs {
namespace {

TEST(Convert, FullSizeIsTheNetworksDefault) {
  NetworkOptions expected;
  expected.groups[3].name = "side";
  EXPECT_TRUE(network_options(load({.config = "hpa_step1"})) == expected);
}

TEST(Convert, StepTwoSwitches) {
  const NetworkOptions options = network_options(load({.config = "hpa_step2_static"}));
  EXPECT_TRUE(options.enable_static_temporal);
  EXPECT_EQ(options.temporal.history, 3);
  EXPECT_FALSE(options.temporal.bilinear);
}

// Whatever size a config may have, the network agrees.
TEST(Convert, TheLargestConfigIsANetworkThatCanBeBuilt) {
  std::string cameras, names;
  for (int i = 0; i < 64; ++i)
    cameras += fmt::format("{}{{name: \"c{}\" fov: 90 width: 16384 height: 16384}}", i ? "," : "", i);
  for (int i = 0; i < 4096; ++i) names += fmt::format("{}\"n{}\"", i ? "," : "", i);
  const Document document = load(
      {.config = "mini_step1",
       .sets = {"sensors.groups[0].cameras=[" + cameras + "]", "sensors.groups[0].height=8192",
                "sensors.groups[0].width=8192", "grid.pc_range=[0,0,-3,819.2,819.2,5]", "grid.bev_cell=0.8",
                "network.backbone_width=1024", "network.backbone_blocks=[64,64,64,64]", "network.neck_channels=4096",
                "network.bev_channels=4096", "network.lidar.max_points=4096", "network.lidar.max_pillars=4194304",
                "network.lidar.layers=[64,64,64]", "network.dynamic_head.classes=[" + names + "]"}});
  EXPECT_NO_THROW(network_options(document).validate());
  EXPECT_EQ(network_options(document).grid.rows(), 1024);
}

TEST(Convert, TheSmallestConfigIsANetworkThatCanBeBuilt) {
  const Document document = load(
      {.config = "mini_step1",
       .sets = {"sensors.groups[0].height=32", "sensors.groups[0].width=32", "sensors.groups[0].taps=[1]",
                "grid.pc_range=[0,0,-3,1.6,1.6,5]", "grid.bev_cell=0.8", "network.backbone_width=1",
                "network.backbone_blocks=[1,1,1,1]", "network.neck_channels=1", "network.bev_channels=1",
                "network.view_heights=[0]", "network.lidar.layers=[0,0,0]", "network.dynamic_head.classes=[\"car\"]"}});
  EXPECT_NO_THROW(network_options(document).validate());
}

TEST(Convert, TheRigLooksWhereTheConfigSays) {
  const config::Config proto = load({.config = "mini_step1"}).proto;
  for (const config::CameraGroup& group : proto.sensors().groups()) {
    for (const config::Camera& camera : group.cameras()) {
      const Camera rig = rig_camera(group, camera);
      ASSERT_NO_THROW(validate(rig)) << camera.name();
      const Vec3 axis = rig.sensor2ego.rotate({0, 0, 1});
      const double yaw = camera.yaw() * std::acos(-1.0) / 180;
      EXPECT_GT(axis.x * std::cos(yaw) + axis.y * std::sin(yaw), 0.8) << camera.name();
      EXPECT_LT(axis.z, 0) << camera.name() << " looks down";
      EXPECT_LT(rig.sensor2ego.rotate({0, 1, 0}).z, -0.5) << "the image's y axis points down";
    }
  }
}

TEST(Convert, HistoryAndControls) {
  const config::Config proto =
      load({.config = "mini_step2_static",
            .sets = {"temporal.warp=identity", "temporal.shuffle_poses=true", "temporal.storage=bfloat16"}})
          .proto;
  const HistoryOptions options = history_options(proto);
  EXPECT_TRUE(options.identity_warp);
  EXPECT_TRUE(options.shuffle_poses);
  EXPECT_EQ(options.storage, DType::BFloat16);
  EXPECT_THAT(options.intervals, testing::ElementsAre(0.7, 1.9, 3.3));
}

TEST(Convert, ListsLieUnderTheRootAndBelongToTasks) {
  const config::Config proto =
      load({.config = "mini_step1",
            .sets = {"data.root=/d",
                     "data.train[1]={ name: \"boxes\" static_task: false lists: [\"b.txt\", \"b.txt\"] }"}})
          .proto;
  const std::vector<ListGroup> dynamic =
      train_lists(proto, [](const config::ListGroup& list) { return list.dynamic_task(); });
  ASSERT_EQ(dynamic.size(), 2u);
  EXPECT_THAT(dynamic[1].lists, testing::ElementsAre("/d/b.txt", "/d/b.txt"));
  EXPECT_EQ(train_lists(proto, [](const config::ListGroup& list) { return list.static_task(); }).size(), 1u);
  EXPECT_EQ(lmdb_list(proto), "/d/lmdb.txt");
  EXPECT_TRUE(dataset_options(proto, true).ignore_never_seen);
  EXPECT_FALSE(dataset_options(proto, false).ignore_never_seen);
}

TEST(Convert, SceneOptionsAreValid) {
  for (const char* name : {"mini_step1", "hpa_step1"})
    EXPECT_NO_THROW(validate(scene_options(load({.config = name})))) << name;
}

TEST(Convert, LabelsAreFourTimesAsFineAsTheFeature) {
  const config::Config proto = load({.config = "mini_step1", .sets = {"grid.bev_cell=1.6"}}).proto;
  EXPECT_DOUBLE_EQ(label_schema(proto).grid.cell, 0.4);
}

}  // namespace
}  // namespace bevgrad::configs
