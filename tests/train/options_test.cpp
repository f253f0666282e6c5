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
  EXPECT_THAT(options.intervals, ::testing::ElementsAre(0.7, 1.9, 3.3));
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
  EXPECT_THAT(dynamic[1].lists, ::testing::ElementsAre("/d/b.txt", "/d/b.txt"));
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

// Every field that has a counterpart reaches it: each is given a value that no other has.
TEST(Convert, EveryFieldOfTheNetworkReachesIt) {
  const NetworkOptions options = network_options(load({.config = "mini_step2_static",
                                                       .sets = {"sensors.mean=[1,2,3]",
                                                                "sensors.std=[4,5,6]",
                                                                "network.backbone_width=7",
                                                                "network.backbone_blocks=[1,2,3,5]",
                                                                "network.stem_max_pool=false",
                                                                "network.neck_channels=9",
                                                                "network.bev_channels=11",
                                                                "network.view_heights=[0.25]",
                                                                "network.lidar.max_points=13",
                                                                "network.lidar.max_pillars=15",
                                                                "network.lidar.vfe_channels=17",
                                                                "network.lidar.legacy=true",
                                                                "network.lidar.layers=[1,2,4]",
                                                                "network.lidar.channels=[19,21,23]",
                                                                "network.lidar.neck_channels=25",
                                                                "temporal.intervals=[1,2]",
                                                                "temporal.warp=bilinear",
                                                                "tasks.enable_lidar=false",
                                                                "train.use_backbone_amp=false",
                                                                "train.use_head_amp=true",
                                                                "train.cuda_graphs=true",
                                                                "grid.pc_range=[-8,-4,-2,8,4,3]",
                                                                "grid.bev_cell=0.5",
                                                                "sensors.groups[0].height=64",
                                                                "sensors.groups[0].width=96",
                                                                "sensors.groups[0].taps=[1,2]"}}));
  EXPECT_EQ(options.image_mean, (std::array<double, 3>{1, 2, 3}));
  EXPECT_EQ(options.image_std, (std::array<double, 3>{4, 5, 6}));
  EXPECT_EQ(options.backbone_width, 7);
  EXPECT_THAT(options.backbone_blocks, ::testing::ElementsAre(1, 2, 3, 5));
  EXPECT_FALSE(options.stem_max_pool);
  EXPECT_EQ(options.neck_channels, 9);
  EXPECT_EQ(options.bev_channels, 11);
  EXPECT_THAT(options.view_heights, ::testing::ElementsAre(0.25));
  EXPECT_EQ(options.lidar.max_points, 13);
  EXPECT_EQ(options.lidar.max_pillars, 15);
  EXPECT_EQ(options.lidar.vfe_channels, 17);
  EXPECT_TRUE(options.lidar.legacy);
  EXPECT_THAT(options.lidar.layers, ::testing::ElementsAre(1, 2, 4));
  EXPECT_THAT(options.lidar.channels, ::testing::ElementsAre(19, 21, 23));
  EXPECT_EQ(options.lidar.neck_channels, 25);
  EXPECT_EQ(options.temporal.history, 2);
  EXPECT_TRUE(options.temporal.bilinear);
  EXPECT_FALSE(options.enable_lidar);
  EXPECT_TRUE(options.enable_static_temporal);
  EXPECT_FALSE(options.use_backbone_amp);
  EXPECT_TRUE(options.use_head_amp);
  EXPECT_TRUE(options.cuda_graphs);
  EXPECT_TRUE(options.grid == (BevGrid{-8, -4, -2, 8, 4, 3, 0.5}));
  EXPECT_EQ(options.groups[0].height, 64);
  EXPECT_EQ(options.groups[0].width, 96);
  EXPECT_THAT(options.groups[0].taps, ::testing::ElementsAre(1, 2));
  EXPECT_EQ(options.groups[0].name, "front");
  // One value counts for all channels.
  EXPECT_EQ(network_options(load({.config = "mini_step1", .sets = {"sensors.mean=[9]"}})).image_mean,
            (std::array<double, 3>{9, 9, 9}));
}

TEST(Convert, EveryFieldOfTheHistoryReachesIt) {
  const config::Config proto =
      load({.config = "mini_step2_static",
            .sets = {"temporal.intervals=[0.3,0.6]", "temporal.match_tol=0.07", "temporal.interval_variable=true",
                     "temporal.max_capacity=77", "data.chunk_frames=123", "temporal.storage=float32"}})
          .proto;
  const HistoryOptions options = history_options(proto);
  EXPECT_THAT(options.intervals, ::testing::ElementsAre(0.3, 0.6));
  EXPECT_EQ(options.match_tol, 0.07);
  EXPECT_TRUE(options.interval_variable);
  EXPECT_EQ(options.max_capacity, 77);
  EXPECT_EQ(options.storage, DType::Float32);
  EXPECT_FALSE(options.identity_warp);
  EXPECT_FALSE(options.shuffle_poses);
  const HistoryRule training = history_rule(proto, true);
  EXPECT_THAT(training.intervals, ::testing::ElementsAre(0.3, 0.6));
  EXPECT_EQ(training.match_tol, 0.07);
  EXPECT_EQ(training.max_capacity, 77);
  EXPECT_EQ(training.chunk_frames, 123);
  EXPECT_EQ(history_rule(proto, false).chunk_frames, 0);
  config::Config cached = proto;
  cached.mutable_feature_cache()->set_enabled(true);
  EXPECT_EQ(history_rule(cached, true).chunk_frames, 0);
}

TEST(Convert, EveryFieldOfTheDataReachesIt) {
  const config::Config proto = load({.config = "mini_step1",
                                     .sets = {"data.max_gap=3.25", "tasks.enable_lidar=false", "data.root=/r",
                                              "data.lmdb=x.txt", "loss.ignore_never_seen=false"}})
                                   .proto;
  const DatasetOptions options = dataset_options(proto, true);
  EXPECT_EQ(options.max_gap, 3.25);
  EXPECT_FALSE(options.load_points);
  EXPECT_FALSE(options.ignore_never_seen);
  ASSERT_EQ(options.groups.size(), static_cast<size_t>(proto.sensors().groups_size()));
  for (int i = 0; i < proto.sensors().groups_size(); ++i) {
    const config::CameraGroup& group = proto.sensors().groups(i);
    const CameraGroupOptions& got = options.groups[static_cast<size_t>(i)];
    EXPECT_EQ(got.name, group.name());
    EXPECT_EQ(got.height, group.height());
    EXPECT_EQ(got.width, group.width());
    ASSERT_EQ(got.cameras.size(), static_cast<size_t>(group.cameras_size()));
    for (int c = 0; c < group.cameras_size(); ++c)
      EXPECT_EQ(got.cameras[static_cast<size_t>(c)], group.cameras(c).name());
  }
  config::Config masked = proto;
  auto* mask = masked.mutable_sensors()->mutable_groups(0)->mutable_cameras(0)->add_ego_mask();
  for (const double corner : {-0.5, 0.5, 1.5, 0.5, 1.5, 3.5}) mask->add_corners(corner);
  const config::CameraGroup& first = masked.sensors().groups(0);
  const int sensor_width = first.cameras(0).width() > 0 ? first.cameras(0).width() : first.width();
  const EgoMask read = dataset_options(masked, true).groups[0].ego_masks.at(0);
  ASSERT_EQ(read.size(), 1u);
  EXPECT_NEAR(read[0][1].x, 2.0 * first.width() / sensor_width - 0.5, 1e-9);
  EXPECT_EQ(lmdb_list(proto), "/r/x.txt");
  EXPECT_TRUE(dataset_options(load({.config = "mini_step1"}).proto, true).load_points);
}

TEST(Convert, EveryFieldOfTheGeneratorReachesIt) {
  const Document document =
      load({.config = "mini_step2_static",
            .sets = {"generator.lidar_beams=5", "generator.lidar_points=77", "generator.frames=6",
                     "generator.frame_rate=7", "generator.timestamp_jitter=0.011", "generator.drop_rate=0.13",
                     "generator.pose_noise=0.017", "generator.yaw_noise=0.019", "generator.night=0.21",
                     "generator.parking=0.23", "generator.occluders=0.29", "generator.image_noise=0.31",
                     "temporal.intervals=[0.4,0.8]", "temporal.match_tol=0.037"}});
  const SceneOptions options = scene_options(document);
  EXPECT_EQ(options.lidar.beams, 5);
  EXPECT_EQ(options.lidar.points, 77);
  EXPECT_EQ(options.drive.frames, 6);
  EXPECT_EQ(options.drive.frame_rate, 7);
  EXPECT_EQ(options.drive.timestamp_jitter, 0.011);
  EXPECT_EQ(options.drive.drop_rate, 0.13);
  EXPECT_EQ(options.drive.pose_noise, 0.017);
  EXPECT_EQ(options.drive.yaw_noise, 0.019);
  EXPECT_EQ(options.night, 0.21);
  EXPECT_EQ(options.parking, 0.23);
  EXPECT_EQ(options.occluders, 0.29);
  EXPECT_EQ(options.image_noise, 0.31);
  EXPECT_THAT(options.window, ::testing::ElementsAre(0.4, 0.8));
  EXPECT_EQ(options.window_tolerance, 0.037);
  EXPECT_TRUE(options.has_lidar);
  EXPECT_EQ(options.cameras[0].name, document.proto.sensors().groups(0).cameras(0).name());
}

TEST(Convert, ACameraHasItsOwnNumbersOrThoseThatFollow) {
  config::CameraGroup group;
  group.set_width(640);
  group.set_height(360);
  config::Camera camera;
  camera.set_fov(90);
  const Camera plain = rig_camera(group, camera);
  EXPECT_EQ(plain.width, 640);
  EXPECT_EQ(plain.height, 360);
  EXPECT_NEAR(plain.fx, 320, 1e-9);
  EXPECT_EQ(plain.fy, plain.fx);
  EXPECT_EQ(plain.cx, 319.5);
  EXPECT_EQ(plain.cy, 179.5);
  EXPECT_EQ(plain.kind, CameraKind::Pinhole);
  camera.set_width(800);
  camera.set_height(500);
  camera.set_fx(410);
  camera.set_fy(420);
  camera.set_cx(0);
  camera.set_cy(240);
  for (const double k : {0.1, 0.2, 0.3}) camera.add_distortion(k);
  const Camera full = rig_camera(group, camera);
  EXPECT_EQ(full.width, 800);
  EXPECT_EQ(full.height, 500);
  EXPECT_EQ(full.fx, 410);
  EXPECT_EQ(full.fy, 420);
  EXPECT_EQ(full.cx, 0);
  EXPECT_EQ(full.cy, 240);
  EXPECT_EQ(full.distortion[1], 0.2);
  EXPECT_EQ(full.distortion[2], 0.3);
  EXPECT_EQ(full.fov, 0);
  EXPECT_TRUE(full.ego_mask.empty());
  for (const double corner : {100.0, 400.0, 700.0, 400.0, 400.0, 499.5}) {
    if (camera.ego_mask().empty()) camera.add_ego_mask();
    camera.mutable_ego_mask(0)->add_corners(corner);
  }
  const std::vector<Vec2> mask = {{100, 400}, {700, 400}, {400, 499.5}};
  EXPECT_EQ(rig_camera(group, camera).ego_mask, EgoMask{mask});
  config::Camera rational = camera;
  rational.set_model(config::Camera::rational);
  for (const double k : {0.0, 0.0, 0.4, 0.5, 0.6}) rational.add_distortion(k);
  EXPECT_EQ(rig_camera(group, rational).kind, CameraKind::Rational);
  EXPECT_EQ(rig_camera(group, rational).distortion[2], 0.3);
  EXPECT_EQ(rig_camera(group, rational).denominator, (std::array{0.4, 0.5, 0.6}));

  config::Camera fisheye;
  fisheye.set_model(config::Camera::fisheye);
  fisheye.set_fov(180);
  fisheye.add_distortion(0.1);
  const Camera wide = rig_camera(group, fisheye);
  EXPECT_EQ(wide.kind, CameraKind::Fisheye);
  EXPECT_NEAR(wide.fov, M_PI, 1e-12);
  // r = f (t + 0.1 t^3) at t = 90 degrees is half the width.
  const double t = M_PI / 2;
  EXPECT_NEAR(wide.fx * (t + 0.1 * t * t * t), 320, 1e-9);
}

}  // namespace
}  // namespace bevgrad::configs
