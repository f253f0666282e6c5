// What the other rooms are told.
#include "configs/convert.h"

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
  EXPECT_FALSE(options.dynamic_task);
  EXPECT_EQ(options.temporal.history, 3);
  EXPECT_FALSE(options.temporal.bilinear);
}

TEST(Convert, GapsInTapsAreRefusedWithTheConfigsName) {
  try {
    network_options(load({.config = "mini_step1", .sets = {"sensors.groups[0].taps=[2,4]"}}));
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("mini_step1"));
  }
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
  const std::vector<ListGroup> dynamic = train_lists(proto, Task::Dynamic);
  ASSERT_EQ(dynamic.size(), 2u);
  EXPECT_THAT(dynamic[1].lists, testing::ElementsAre("/d/b.txt", "/d/b.txt"));
  EXPECT_EQ(train_lists(proto, Task::Static).size(), 1u);
  EXPECT_EQ(lmdb_list(proto), "/d/lmdb.txt");
  EXPECT_TRUE(dataset_options(proto, true).ignore_never_seen);
  EXPECT_FALSE(dataset_options(proto, false).ignore_never_seen);
}

TEST(Convert, SceneOptionsAreValid) {
  for (const char* name : {"mini_step1", "hpa_step1"})
    EXPECT_NO_THROW(validate(scene_options(load({.config = name})))) << name;
}

TEST(Convert, DecodingKnowsTheGridAndTheSymmetricClasses) {
  const config::Config proto = load({.config = "mini_step1", .sets = {"grid.bev_cell=1.6"}}).proto;
  EXPECT_DOUBLE_EQ(instance_decode_options(proto).cell, 0.8);
  EXPECT_EQ(instance_decode_options(proto).symmetric, std::vector<bool>({true, false, true, true}));
  EXPECT_DOUBLE_EQ(box_decode_options(proto).cell, 1.6);
  EXPECT_DOUBLE_EQ(label_schema(proto).grid.cell, 0.4);
}

}  // namespace
}  // namespace bevgrad::configs
