#include "data/import_nuscenes.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>

#include "data/dataset.h"
#include "made_data.h"

namespace bevgrad {
namespace {

using ::testing::AllOf;
using testing::error_of;
using ::testing::HasSubstr;
using testing::TemporaryFolder;

const std::string kMadeUp = std::string(BEVGRAD_SOURCE_DIR) + "/tests/golden/data/nuscenes_like";

DatasetOptions options_of(const std::vector<std::string>& cameras, int64_t height, int64_t width) {
  DatasetOptions options;
  for (const std::string& camera : cameras) options.groups.push_back({camera, {camera}, height, width});
  return options;
}

Dataset open(const std::string& folder, const DatasetOptions& options) {
  return Dataset(folder + "/lmdb.txt", {{"all", {folder + "/all.txt"}}}, options);
}

TEST(ImportNuscenes, FramesComeInTimeAndAGapBeginsASequence) {
  TemporaryFolder folder;
  ImportReport report = import_nuscenes(folder / "out", {kMadeUp + "/infos.pkl", kMadeUp});
  EXPECT_EQ(report.frames, 3);
  EXPECT_EQ(report.sequences, 2);
  EXPECT_EQ(report.boxes, 12);
  EXPECT_EQ(report.boxes_left_out, 3);
  Dataset dataset = open(folder / "out", options_of({"CAM_FRONT", "CAM_BACK"}, 12, 16));
  EXPECT_THAT(dataset.streams()[0].frames, ::testing::ElementsAre(0, 1));
  EXPECT_EQ(dataset.entry(0).key, "frame0");
  EXPECT_EQ(dataset.load(1).ego_pose.translation(), (Vec3{1, 0, 0}));
}

TEST(ImportNuscenes, BoxesAndPointsComeInTheEgoFrame) {
  TemporaryFolder folder;
  import_nuscenes(folder / "out", {kMadeUp + "/infos.pkl", kMadeUp});
  Sample sample = open(folder / "out", options_of({"CAM_FRONT"}, 24, 32)).load(0);
  ASSERT_EQ(sample.labels.boxes.size(), 4u);
  const Box3d& car = sample.labels.boxes[0];
  EXPECT_NEAR(car.x, 10, 1e-5);
  EXPECT_NEAR(car.y, 2, 1e-5);
  EXPECT_NEAR(car.z, 0.8, 1e-5);
  EXPECT_NEAR(car.yaw, 0, 1e-5);
  EXPECT_NEAR(car.vx, 5, 1e-5);
  EXPECT_NEAR(car.vy, -1, 1e-5);
  EXPECT_EQ(car.l, 4);
  EXPECT_EQ(car.num_lidar_points, 7);
  EXPECT_EQ(car.class_id, 0);
  const LabelSchema schema;
  auto class_of = [&](size_t i) {
    return schema.dynamic_classes[static_cast<size_t>(sample.labels.boxes[i].class_id)];
  };
  EXPECT_EQ(class_of(1), "non_motor") << "a standing bicycle with a rider";
  EXPECT_EQ(class_of(2), "non_motor") << "nothing is known of the motorcycle";
  EXPECT_EQ(class_of(3), "pillar");
  EXPECT_FALSE(sample.labels.boxes[2].has_velocity);

  ASSERT_EQ(sample.points.size(0), 3) << "the return that is not a number is left out";
  auto points = sample.points.to_vector();
  EXPECT_NEAR(points[0], 11, 0.003);
  EXPECT_NEAR(points[2], 0, 0.003);
  EXPECT_NEAR(points[3], 1, 1e-6);
  EXPECT_NEAR(points[5], -3, 0.003);
  EXPECT_NEAR(points[7], 0.2, 1e-6);
  EXPECT_EQ(sample.labels.lane.to_vector()[0], kIgnoreLabel);
  EXPECT_FALSE(sample.labels.has_instances);
}

TEST(ImportNuscenes, CamerasStandWhereTheyWereAtTheLidarsMoment) {
  TemporaryFolder folder;
  import_nuscenes(folder / "out", {kMadeUp + "/infos.pkl", kMadeUp});
  Sample sample = open(folder / "out", options_of({"CAM_FRONT", "CAM_BACK"}, 12, 16)).load(0);
  const Camera& front = sample.cameras[0].camera;
  EXPECT_NEAR(front.sensor2ego.translation().x, 1.75, 1e-6);
  EXPECT_NEAR(front.fx, 8, 1e-9);
  EXPECT_NEAR(front.cx, 7.5, 1e-9);
  // 10 m ahead of the camera, 1 m to the left, at its height.
  auto pixel = project(front, {11.75, 1, 1.5});
  ASSERT_TRUE(pixel.has_value());
  EXPECT_NEAR(pixel->u, 7.5 - 0.8, 1e-6);
  EXPECT_NEAR(pixel->v, 5.5, 1e-6);
  EXPECT_NEAR(sample.cameras[1].camera.sensor2ego.translation().x, -0.5, 1e-6);
}

TEST(ImportNuscenesErrors, NameWhatIsWrongAndLeaveNothing) {
  TemporaryFolder folder;
  std::filesystem::copy(kMadeUp, folder / "in");
  auto error = [&] {
    return error_of([&] { import_nuscenes(folder / "out", {folder / "in/infos.pkl", folder / "in"}); });
  };
  std::filesystem::resize_file(folder / "in/1_CAM_BACK.jpg",
                               std::filesystem::file_size(folder / "in/1_CAM_BACK.jpg") - 8);
  EXPECT_THAT(error(), HasSubstr("1_CAM_BACK.jpg: damaged JPEG"));
  std::filesystem::remove(folder / "in/1_CAM_BACK.jpg");
  EXPECT_THAT(error(), AllOf(HasSubstr("infos.pkl"), HasSubstr("holds no file '1_CAM_BACK.jpg'")));
  std::filesystem::resize_file(folder / "in/0_LIDAR_TOP.pcd.bin", 30);
  EXPECT_THAT(error(), AllOf(HasSubstr("0_LIDAR_TOP.pcd.bin"), HasSubstr("30 bytes")));
  std::filesystem::resize_file(folder / "in/infos.pkl", 500);
  EXPECT_THAT(error(), HasSubstr("infos.pkl"));
  EXPECT_FALSE(std::filesystem::exists(folder / "out"));
  EXPECT_THROW(import_nuscenes(folder / "out", {folder / "none.pkl", folder / "in"}), UsageError);
}

/// The frame of real data that the tests may be given; BEVGRAD_REAL_DATA names its folder.
std::string real_folder() {
  const char* named = std::getenv("BEVGRAD_REAL_DATA");
  return (named != nullptr ? std::string(named) : std::string(BEVGRAD_SOURCE_DIR) + "/../shared/data") + "/nuscenes";
}

void draw_points(const Sample& sample, const std::string& folder) {
  for (const CameraImage& camera : sample.cameras) {
    CameraProjector projector(camera.camera);
    for (int64_t i = 0; i < sample.points.size(0); ++i) {
      const float* p = sample.points.data<float>() + i * 4;
      auto pixel = projector.project({p[0], p[1], p[2]});
      if (!pixel) continue;
      const double near = std::exp(-std::hypot(p[0], p[1]) / 15);
      for (int dy = -1; dy <= 1; ++dy)
        for (int dx = -1; dx <= 1; ++dx) {
          const int64_t x = std::clamp<int64_t>(std::lround(pixel->u) + dx, 0, camera.camera.width - 1);
          const int64_t y = std::clamp<int64_t>(std::lround(pixel->v) + dy, 0, camera.camera.height - 1);
          uint8_t* out = camera.image.data<uint8_t>() + (y * camera.camera.width + x) * 3;
          out[0] = static_cast<uint8_t>(255 * near);
          out[1] = static_cast<uint8_t>(255 * (1 - near));
          out[2] = 60;
        }
    }
    std::ofstream(folder + "/" + camera.name + ".jpg", std::ios::binary) << encode_jpeg(camera.image, 92);
  }
}

TEST(ImportNuscenes, TheRealFramesBoxesHoldAsManyPointsAsItsAnnotatorsCounted) {
  const std::string real = real_folder();
  std::string info;
  if (std::filesystem::is_directory(real))
    for (const auto& file : std::filesystem::directory_iterator(real))
      if (file.path().extension() == ".pkl") info = file.path().string();
  if (info.empty()) GTEST_SKIP() << "NO REAL DATA: " << real << " holds no nuScenes frame";
  TemporaryFolder folder;
  ImportReport report = import_nuscenes(folder / "out", {info, real});
  EXPECT_EQ(report.frames, 1);
  Dataset dataset =
      open(folder / "out",
           options_of({"CAM_FRONT_LEFT", "CAM_FRONT", "CAM_FRONT_RIGHT", "CAM_BACK_LEFT", "CAM_BACK", "CAM_BACK_RIGHT"},
                      450, 800));
  Sample sample = dataset.load(0);
  EXPECT_EQ(sample.points.size(0), 34688);
  int64_t counted = 0, found = 0;
  for (const Box3d& box : sample.labels.boxes) {
    counted += box.num_lidar_points;
    for (int64_t i = 0; i < sample.points.size(0); ++i) {
      const float* p = sample.points.data<float>() + i * 4;
      const Vec2 offset{p[0] - box.x, p[1] - box.y}, ahead = direction(box.yaw);
      found += std::abs(dot(offset, ahead)) <= box.l / 2 && std::abs(cross(ahead, offset)) <= box.w / 2 &&
               std::abs(p[2] - box.z) <= box.h / 2;
    }
  }
  EXPECT_GT(counted, 500);
  EXPECT_NEAR(static_cast<double>(found), static_cast<double>(counted), 0.05 * static_cast<double>(counted));
  if (const char* pictures = std::getenv("BEVGRAD_TEST_PICTURES")) draw_points(sample, pictures);
}

}  // namespace
}  // namespace bevgrad
