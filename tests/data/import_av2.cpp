#include "data/import_av2.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "data/dataset.h"
#include "data/recorded_options.h"
#include "internal/argoverse2/log.h"
#include "internal/points_in_boxes.h"
#include "internal/poses.h"
#include "made_data.h"
#include "support/paths.h"

namespace bevgrad {
namespace {

using ::testing::AllOf;
using testing::error_of;
using ::testing::HasSubstr;
using testing::TemporaryFolder;

const std::string kMadeUp = testing::source_dir() + "/tests/golden/data/av2_like";

Dataset open_imported(const std::string& folder) {
  const std::vector<ListGroup> lists = {{"all", {folder + "/all.txt"}}};
  DatasetOptions options = recorded_options(Dataset(folder + "/lmdb.txt", lists, {}));
  options.labels.grid = {.x_min = 0, .y_min = -10, .x_max = 40, .y_max = 10, .cell = 0.2};
  return Dataset(folder + "/lmdb.txt", lists, options);
}

TEST(ImportAv2, FramesLieOnTheGround) {
  TemporaryFolder folder;
  const ImportAv2Report report = import_av2(folder / "out", {.logs = {kMadeUp}});
  EXPECT_EQ(report.frames, 3);
  EXPECT_EQ(report.boxes, 3);
  EXPECT_THAT(report.left_out, ::testing::ElementsAre(::testing::Pair("STROLLER", 3)));
  EXPECT_THAT(report.cameras, ::testing::ElementsAre("ring_front_center", "ring_rear_left"));
  EXPECT_TRUE(report.remarks.empty());
  const Dataset dataset = open_imported(folder / "out");
  EXPECT_EQ(dataset.streams().size(), 1u);
  EXPECT_NEAR(dataset.frame_period(), 0.1, 1e-9);
  const Sample sample = dataset.load(1);
  EXPECT_NEAR(sample.timestamp, 1000.1, 1e-9);
  EXPECT_NEAR(sample.ego_pose.translation().z, 5, 1e-9) << "0.4 m below the axle";
  EXPECT_NEAR(sample.ego_pose.translation().y, 51, 1e-9);
  EXPECT_NEAR(sample.ego_pose.yaw(), 1.5707963, 1e-6);
  ASSERT_EQ(sample.labels.boxes.size(), 1u);
  const Box3d& car = sample.labels.boxes[0];
  EXPECT_EQ(dataset.options().labels.dynamic_classes[static_cast<size_t>(car.class_id)], "car");
  EXPECT_NEAR(car.z, 0.8, 1e-6);
  EXPECT_EQ(sample.place, "XXX");
  ASSERT_TRUE(sample.lidar.has_value());
  EXPECT_NEAR(sample.lidar->z, 2.2, 1e-6) << "1.8 m above the axle";
  EXPECT_GE(car.track, 0);
  EXPECT_EQ(car.track, dataset.load(2).labels.boxes.at(0).track);
  EXPECT_EQ(count_inside(car, sample.points), 60);
  EXPECT_NEAR(car.vx, 10, 1e-4) << "it keeps its distance";
  EXPECT_NEAR(sample.points.data<float>()[4 * 60 + 2], 0, 1e-3);
  EXPECT_NEAR(sample.points.data<float>()[4 * 51 + 3], 0.2, 1e-6);
}

TEST(ImportAv2, CamerasStandWhereTheyWereAtTheSweepsMoment) {
  TemporaryFolder folder;
  import_av2(folder / "out", {.logs = {kMadeUp}});
  const Sample sample = open_imported(folder / "out").load(1);
  // Its picture was taken 20 ms later: 0.2 m further on.
  const Camera& front = sample.cameras[0].camera;
  EXPECT_NEAR(front.sensor2ego.translation().x, 1.7, 1e-6);
  EXPECT_NEAR(front.sensor2ego.translation().z, 1.9, 1e-6);
  EXPECT_EQ(front.distortion, (std::array{-0.1, 0.02, 0.0, 0.0, 0.003}));
  EXPECT_NEAR(sample.cameras[1].camera.sensor2ego.translation().x, -0.6, 1e-6);
  const auto ahead = project(front, {11.7, 1, 1.9});
  ASSERT_TRUE(ahead.has_value());
  EXPECT_NEAR(ahead->u, 15.5 - 1.6, 0.01);
}

TEST(ImportAv2, TheMapBecomesLabels) {
  TemporaryFolder folder;
  import_av2(folder / "out", {.logs = {kMadeUp}, .classes = {{"boundary", "Curb"}, {"drivable", ""}}});
  const Dataset dataset = open_imported(folder / "out");
  const LabelSchema& schema = dataset.options().labels;
  EXPECT_THAT(schema.road_classes, ::testing::ElementsAre("Crosswalk", "Curb"));
  const Labels labels = dataset.load(0).labels;
  std::map<std::string, std::vector<LabelShape>> lanes, roads;
  for (const LabelShape& shape : labels.lane_shapes)
    lanes[schema.lane_classes[static_cast<size_t>(shape.class_id)]].push_back(shape);
  for (const LabelShape& shape : labels.road_shapes)
    roads[schema.road_classes[static_cast<size_t>(shape.class_id)]].push_back(shape);
  ASSERT_EQ(lanes.size(), 2u) << "a bridge's marks are not this street's, an unpainted edge is no mark";
  ASSERT_EQ(lanes["DashedLine"].size(), 1u) << "two lanes share it";
  for (const Vec2 p : lanes["DashedLine"][0].points) EXPECT_NEAR(p.y, 1.75, 1e-4);
  for (const Vec2 p : lanes["SolidLine"][0].points) EXPECT_NEAR(p.y, -1.5, 1e-4);
  ASSERT_EQ(roads["Crosswalk"].size(), 1u);
  EXPECT_TRUE(roads["Crosswalk"][0].closed);
  for (const Vec2 p : roads["Crosswalk"][0].points) {
    EXPECT_GE(p.x, 19.99);
    EXPECT_LE(p.x, 23.01);
  }
  EXPECT_EQ(roads["Curb"].size(), 1u);
  EXPECT_EQ(roads.count("Freespace"), 0u);
  // Drawn where they lie; what the map does not know of stays unlabelled.
  const auto cell = [&](const Tensor& raster, size_t layer, double x, double y) {
    return raster.data<uint8_t>()[(static_cast<int64_t>(layer) * 100 + static_cast<int64_t>((y + 10) / 0.2)) * 200 +
                                  static_cast<int64_t>(x / 0.2)];
  };
  EXPECT_EQ(cell(labels.lane, 2, 10, 1.75), 1);
  EXPECT_EQ(cell(labels.lane, 2, 10, 0), 0);
  EXPECT_EQ(cell(labels.road, 0, 21.5, 0), 1);
  EXPECT_THAT(error_of([&] {
                import_av2(folder / "x", {.logs = {kMadeUp}, .classes = {{"boundry", "Curb"}}});
              }),
              HasSubstr("did you mean \"boundary\""));
}

TEST(ImportAv2, ALogWithoutPicturesMapAndGroundHeightsIsTakenWithRemarks) {
  TemporaryFolder folder;
  std::filesystem::copy(kMadeUp, folder / "log", std::filesystem::copy_options::recursive);
  std::filesystem::remove_all(folder / "log/map");
  std::filesystem::remove_all(folder / "log/sensors/cameras");
  std::filesystem::remove(folder / "log/annotations.feather");
  const ImportAv2Report report = import_av2(folder / "out", {.logs = {folder / "log"}});
  EXPECT_THAT(report.remarks, ::testing::ElementsAre(HasSubstr("0.33 m"), HasSubstr("no map")));
  const Sample sample = open_imported(folder / "out").load(0);
  EXPECT_TRUE(sample.cameras.empty());
  EXPECT_FALSE(sample.labels.has_boxes);
  EXPECT_NEAR(sample.ego_pose.translation().z, 5.07, 1e-9);
}

TEST(ImportAv2, AFrameLacksACameraThatHasNoPictureNearIt) {
  TemporaryFolder folder;
  std::filesystem::copy(kMadeUp, folder / "log", std::filesystem::copy_options::recursive);
  std::filesystem::remove(*std::filesystem::directory_iterator(folder / "log/sensors/cameras/ring_rear_left"));
  std::filesystem::copy(kMadeUp, folder / "blind", std::filesystem::copy_options::recursive);
  std::filesystem::remove_all(folder / "blind/sensors/cameras");
  const ImportAv2Report report = import_av2(folder / "out", {.logs = {folder / "blind", folder / "log"}});
  EXPECT_EQ(report.frames, 6);
  EXPECT_THAT(report.cameras, ::testing::ElementsAre("ring_front_center", "ring_rear_left"));
  EXPECT_THAT(report.remarks, ::testing::ElementsAre("1 frames have no picture of camera 'ring_rear_left'"));
  EXPECT_THAT(error_of([&] {
                import_av2(folder / "x", {.logs = {folder / "log"}, .cameras = {"ring_rear_left", "ring_side"}});
              }),
              HasSubstr("no log has pictures of a camera 'ring_side'"));
}

TEST(ImportAv2Errors, NameTheFileAndLeaveNothing) {
  TemporaryFolder folder;
  const auto error_with = [&](auto change) {
    std::filesystem::remove_all(folder / "log");
    std::filesystem::copy(kMadeUp, folder / "log", std::filesystem::copy_options::recursive);
    change(folder / "log/");
    const std::string error = error_of([&] { import_av2(folder / "out", {.logs = {folder / "log"}}); });
    EXPECT_FALSE(std::filesystem::exists(folder / "out"));
    return error;
  };
  const auto remove = [](const char* file) {
    return [=](const std::string& log) { std::filesystem::remove_all(log + file); };
  };
  const auto write = [](const char* file, const std::string& text) {
    return [=](const std::string& log) { std::ofstream(log + file, std::ios::binary) << text; };
  };
  EXPECT_THAT(error_with(remove("city_SE3_egovehicle.feather")), HasSubstr("city_SE3_egovehicle.feather"));
  EXPECT_THAT(error_with(remove("sensors/lidar")), HasSubstr("holds no sweep"));
  EXPECT_THAT(error_with(remove("calibration/intrinsics.feather")), HasSubstr("intrinsics.feather"));
  EXPECT_THAT(error_with(write("sensors/lidar/nine.feather", "x")), HasSubstr("nine.feather: its name is no time"));
  EXPECT_THAT(error_with(write("sensors/lidar/1000300000000.feather", "x")), HasSubstr("no pose at 1000300000000"));
  EXPECT_THAT(error_with(write("sensors/lidar/1000100000000.feather", "x")), HasSubstr("1000100000000.feather"));
  EXPECT_THAT(error_with(write("sensors/cameras/ring_rear_left/1000000000000.jpg", "x")),
              HasSubstr("ring_rear_left/1000000000000.jpg"));
  const char* map = "map/log_map_archive_av2_like____XXX_city_1.json";
  EXPECT_THAT(error_with(write(map, "{")), HasSubstr("not JSON"));
  EXPECT_THAT(error_with(write(map, R"({"lane_segments": {"4": {}}})")),
              AllOf(HasSubstr("lane_segments.4"), HasSubstr("left_lane_mark_type")));
  EXPECT_THAT(error_with(write("map/av2_like_ground_height_surface____XXX.npy", "\x93NUMPY")),
              HasSubstr("too short for an array"));
  EXPECT_THROW(import_av2(folder / "out", {.logs = {folder / "none"}}), UsageError);
}

TEST(Poses, AreInterpolatedAlongTheTurn) {
  const Pose a = Pose::from_angles({1, 2, 3}, 0.3, 0.1, -0.2), b = Pose::from_angles({2, 2, 5}, 1.1, 0.0, 0.1);
  for (size_t i = 0; i < 16; ++i) {
    EXPECT_NEAR(interpolate(a, b, 0).m[i], a.m[i], 1e-9);
    EXPECT_NEAR(interpolate(a, b, 1).m[i], b.m[i], 1e-9);
    EXPECT_NEAR(interpolate(interpolate(a, b, 0), interpolate(a, b, 0.5), 0.5).m[i], interpolate(a, b, 0.25).m[i],
                1e-9);
    EXPECT_NEAR(interpolate(a, a, 0.7).m[i], a.m[i], 1e-9);
  }
  const Pose flat = interpolate(Pose::from_yaw(0, 0, 0, 3.0), Pose::from_yaw(1, 0, 0, -3.0), 0.5);
  EXPECT_NEAR(std::abs(flat.yaw()), 3.14159265, 1e-6) << "the short way round";
  EXPECT_TRUE(flat.is_rigid());
}

/// The log of real data that the tests may be given; BEVGRAD_REAL_DATA names its folder.
std::string real_log() {
  const char* named = std::getenv("BEVGRAD_REAL_DATA");
  const std::string folder =
      (named != nullptr ? std::string(named) : testing::source_dir() + "/../shared/data") + "/av2";
  if (std::filesystem::is_directory(folder))
    for (const auto& entry : std::filesystem::directory_iterator(folder))
      if (entry.is_directory()) return entry.path().string();
  return "";
}

TEST(ImportAv2, TheRealLogsBoxesHoldThePointsThatItsAnnotatorsCounted) {
  const std::string log = real_log();
  if (log.empty()) GTEST_SKIP() << "SKIPPED: there is no log of Argoverse 2";
  TemporaryFolder folder;
  const ImportAv2Report report = import_av2(folder / "out", {.logs = {log}});
  EXPECT_EQ(report.frames, 2);
  const Av2Log read = read_av2_log(log);
  const int64_t sweep = read.sweeps.front();
  const Tensor points = read_av2_sweep(read, sweep);
  int64_t boxes = 0, equal = 0;
  for (const Av2Box& box : read.boxes.at(sweep)) {
    ++boxes;
    equal += count_inside(box.box, points) == box.box.num_lidar_points;
  }
  EXPECT_EQ(boxes, 81);
  EXPECT_EQ(equal, 81);
  // The ground near the vehicle is at 0: many points lie there, few a little above or below.
  const Sample sample = open_imported(folder / "out").load(0);
  int64_t ground = 0, beside = 0;
  for (int64_t i = 0; i < sample.points.size(0); ++i) {
    const float* p = sample.points.data<const float>() + 4 * i;
    if (std::hypot(p[0], p[1]) > 15 || std::hypot(p[0], p[1]) < 3) continue;
    ground += std::abs(p[2]) < 0.2f;
    beside += std::abs(p[2]) >= 0.2f && std::abs(p[2]) < 0.4f;
  }
  EXPECT_GT(ground, 3 * beside);
  EXPECT_FALSE(sample.labels.lane_shapes.empty());
  EXPECT_FALSE(sample.labels.road_shapes.empty());
}

}  // namespace
}  // namespace bevgrad
