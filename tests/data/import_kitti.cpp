#include "data/import_kitti.h"

#include "data/dataset.h"
#include "data/recorded_options.h"
#include "internal/kitti/files.h"
#include "neutral_folder.h"

namespace bevgrad {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;
using ::testing::Pair;
using testing::TemporaryFolder;
using testing::write_bytes;

std::string floats(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * 4};
}

/// A camera 0.3 m ahead of the LiDAR and 0.1 m below it; image_2 stands 0.06 m to the left of the rectified frame.
constexpr const char* kVeloToCam = "0 -1 0 0 0 0 -1 -0.1 1 0 0 -0.3";
constexpr const char* kP2 = "50 0 31.5 3 0 50 23.5 0 0 0 1 0";

void write_objects(const std::string& folder) {
  write_bytes(folder + "/calib/000007.txt", std::string("P0: 50 0 31.5 0 0 50 23.5 0 0 0 1 0\nP2: ") + kP2 +
                                                "\nR0_rect: 1 0 0 0 1 0 0 0 1\nTr_velo_to_cam: " + kVeloToCam + "\n\n");
  write_bytes(folder + "/image_2/000007.jpg", encode_jpeg(testing::gradient_image(48, 64), 95));
  // In the box, seen and in none, behind.
  write_bytes(folder + "/velodyne/000007.bin", floats({10, 1, -1, 0.5f, 30, 0, 0, 1, -5, 0, 0, 0.25f}));
  write_bytes(folder + "/label_2/000007.txt",
              "Car 0.00 0 -1.57 0 0 10 10 1.5 1.8 4.0 -1.0 1.6 9.7 -1.5707963\n"
              "Tram 0.00 0 -1.57 0 0 10 10 3 3 14 5 1.6 30 0\n"
              "DontCare -1 -1 -10 0 0 10 10 -1 -1 -1 -1000 -1000 -1000 -10\n");
}

TEST(ImportKitti, ObjectsLieInTheEgoFrameOnTheGround) {
  TemporaryFolder folder;
  write_objects(folder / "training");
  const ImportKittiReport report = import_kitti(folder / "out", {.folders = {folder / "training"}});
  EXPECT_EQ(report.frames, 1);
  EXPECT_THAT(report.left_out, ElementsAre(Pair("Tram", 1)));
  const std::vector<ListGroup> lists = {{"all", {folder / "out/all.txt"}}};
  const Dataset dataset(folder / "out/lmdb.txt", lists, recorded_options(Dataset(folder / "out/lmdb.txt", lists, {})));
  EXPECT_EQ(dataset.entry(0).key, "training/000007");
  const Sample sample = dataset.load(0);
  ASSERT_EQ(sample.points.size(0), 2) << "what lies behind is not labelled";
  EXPECT_NEAR(sample.points.to_vector()[0], 10.81, 1e-5);
  EXPECT_NEAR(sample.points.to_vector()[2], 0.73, 1e-5);
  ASSERT_EQ(sample.labels.boxes.size(), 1u);
  const Box3d& car = sample.labels.boxes[0];
  EXPECT_NEAR(car.x, 0.81 + 0.3 + 9.7, 1e-5);
  EXPECT_NEAR(car.y, 1, 1e-5);
  EXPECT_NEAR(car.z, 1.73 - 0.1 - 1.6 + 0.75, 1e-5);
  EXPECT_NEAR(car.yaw, 0, 1e-5);
  EXPECT_EQ(car.l, 4);
  EXPECT_NEAR(car.w, 1.8, 1e-6);
  EXPECT_EQ(car.num_lidar_points, 1);
  EXPECT_FALSE(car.has_velocity);
  const Vec3 camera = sample.cameras[0].camera.sensor2ego.translation();
  EXPECT_NEAR(camera.x, 1.11, 1e-9);
  EXPECT_NEAR(camera.y, 0.06, 1e-9);
  EXPECT_NEAR(camera.z, 1.63, 1e-9);
}

/// Three frames; the vehicle drives to the east at 10 m/s, a car stays 8 m ahead of it.
std::string write_drive(const std::string& root) {
  write_bytes(root + "/calib_cam_to_cam.txt",
              std::string("calib_time: 09-Jan-2012 13:57:47\nR_rect_00: 1 0 0 0 1 0 0 0 1\nP_rect_02: ") + kP2 + "\n");
  write_bytes(root + "/calib_velo_to_cam.txt", "R: 0 -1 0 0 0 -1 1 0 0\nT: 0 -0.1 -0.3\n");
  write_bytes(root + "/calib_imu_to_velo.txt", "R: 1 0 0 0 1 0 0 0 1\nT: -0.81 0 -0.8\n");
  const std::string drive = root + "/2011_09_26_drive_0001_sync";
  std::string times, tracklets =
                         "<?xml version=\"1.0\"?>\n<boost_serialization><tracklets "
                         "class_id=\"0\"><count>1</count>\n<item><objectType>Car</objectType><h>1.5</h><w>2</w><l>4</"
                         "l><first_frame>1</first_frame><poses><count>2</count>\n";
  for (int i = 0; i < 3; ++i) {
    const std::string stem = fmt::format("{:010}", i);
    times += fmt::format("2011-09-26 13:02:2{}.500000000\n", i);
    // At the equator a degree is 111319.49 m.
    write_bytes(drive + "/oxts/data/" + stem + ".txt",
                fmt::format("0.0 {} 100.0 0 0 0 0 0 0\n", 10 * i / 111319.4907932736));
    write_bytes(drive + "/image_02/data/" + stem + ".jpg", encode_jpeg(testing::gradient_image(48, 64), 95));
    if (i != 0) write_bytes(drive + "/velodyne_points/data/" + stem + ".bin", floats({8, 0, -1, 0.5f}));
    if (i != 0) tracklets += "<item><tx>8</tx><ty>0</ty><tz>-1.73</tz><rx>0</rx><ry>0</ry><rz>0.1</rz></item>\n";
  }
  write_bytes(drive + "/velodyne_points/timestamps.txt", times);
  write_bytes(drive + "/tracklet_labels.xml",
              tracklets + "</poses><finished>1</finished></item></tracklets></boost_serialization>\n");
  return drive;
}

TEST(ImportKitti, ADriveHasPosesTimesAndMovingBoxes) {
  TemporaryFolder folder;
  const std::string drive = write_drive(folder / "2011_09_26");
  const ImportKittiReport report = import_kitti(folder / "out", {.folders = {drive + "/"}});
  EXPECT_EQ(report.frames, 2);
  EXPECT_EQ(report.sequences, 1);
  EXPECT_THAT(report.remarks, ElementsAre(HasSubstr("1 frames have no LiDAR file")));
  const std::vector<ListGroup> lists = {{"all", {folder / "out/all.txt"}}};
  const Dataset dataset(folder / "out/lmdb.txt", lists, recorded_options(Dataset(folder / "out/lmdb.txt", lists, {})));
  EXPECT_EQ(dataset.entry(0).key, "2011_09_26_drive_0001_sync/0000000001");
  const Sample sample = dataset.load(1);
  EXPECT_NEAR(sample.timestamp, 1317042142.5, 1e-6);
  EXPECT_NEAR(sample.ego_pose.translation().x, 20, 1e-6);
  ASSERT_EQ(sample.labels.boxes.size(), 1u);
  const Box3d& car = sample.labels.boxes[0];
  EXPECT_NEAR(car.x, 8.81, 1e-5);
  EXPECT_NEAR(car.z, 0.75, 1e-5);
  EXPECT_NEAR(car.yaw, 0.1, 1e-5);
  EXPECT_EQ(car.num_lidar_points, 1);
  EXPECT_FALSE(car.has_velocity) << "the frame before was a second ago";
  EXPECT_EQ(car.track, 0);
  EXPECT_EQ(sample.place, "2011_09_26_drive_0001_sync");
  ASSERT_TRUE(sample.lidar.has_value());
  EXPECT_NEAR(sample.lidar->z, 1.73, 1e-6);
}

// The published drives have lines without a time for scans that were lost, 2011_09_26_drive_0009 for example.
TEST(ImportKitti, AScanThatWasLostHasAnEmptyLine) {
  TemporaryFolder folder;
  const std::string drive = write_drive(folder / "2011_09_26");
  const std::string times = drive + "/velodyne_points/timestamps.txt";
  write_bytes(times, "\n2011-09-26 13:02:21.500000000\n2011-09-26 13:02:21.900000000\n\n");
  const ImportKittiReport report = import_kitti(folder / "out", {.folders = {drive}});
  EXPECT_EQ(report.frames, 2);
  const std::vector<ListGroup> lists = {{"all", {folder / "out/all.txt"}}};
  const Dataset dataset(folder / "out/lmdb.txt", lists, recorded_options(Dataset(folder / "out/lmdb.txt", lists, {})));
  EXPECT_EQ(dataset.entry(0).key, "2011_09_26_drive_0001_sync/0000000001");
  const Sample sample = dataset.load(0);
  EXPECT_NEAR(sample.timestamp, 1317042141.5, 1e-6);
  ASSERT_EQ(sample.labels.boxes.size(), 1u);
  EXPECT_TRUE(sample.labels.boxes[0].has_velocity);
  EXPECT_NEAR(sample.labels.boxes[0].vx, 10 / 0.4, 1e-4);
  write_bytes(times, "2011-09-26 13:02:20.500000000\n\n2011-09-26 13:02:21.900000000\n");
  EXPECT_THAT(error_of([&] { import_kitti(folder / "out2", {.folders = {drive}}); }),
              AllOf(HasSubstr("timestamps.txt:2: the line is empty"), HasSubstr("0000000001.bin")));
}

TEST(ImportKitti, WhatIsWrongIsNamedByFileAndLine) {
  TemporaryFolder folder;
  const std::string in = folder / "training";
  const auto error = [&](const std::string& file, const std::string& text) {
    write_objects(in);
    write_bytes(in + file, text);
    return error_of([&] { import_kitti(folder / "out", {.folders = {in}}); });
  };
  EXPECT_THAT(error("/label_2/000007.txt", "Car 0 0 0\n"), HasSubstr("label_2/000007.txt:1: 4 words, expected 15"));
  EXPECT_THAT(error("/label_2/000007.txt", "\nCar 0.00 0 x 0 0 10 10 1.5 1.8 4.0 -1.0 1.6 9.7 0\n"),
              HasSubstr("000007.txt:2: 'x' is no"));
  EXPECT_THAT(error("/calib/000007.txt", "P2: 1 2 3\n"), HasSubstr("has no line 'R0_rect'"));
  EXPECT_THAT(
      error("/calib/000007.txt", std::string("P2: 1 2 3\nR0_rect: 1 0 0 0 1 0 0 0 1\nTr_velo_to_cam: ") + kVeloToCam),
      HasSubstr("P2 has 3 numbers, expected 12"));
  EXPECT_THAT(error("/velodyne/000007.bin", floats({1, 2, 3, 200})),
              AllOf(HasSubstr("000007.bin: point 0"), HasSubstr("intensity 200")));
  std::filesystem::remove(in + "/image_2/000007.jpg");
  write_objects(in);
  std::filesystem::remove(in + "/image_2/000007.jpg");
  EXPECT_THAT(error_of([&] { import_kitti(folder / "out", {.folders = {in}}); }),
              HasSubstr("holds no 000007.png or .jpg"));
  EXPECT_THAT(error_of([&] { import_kitti(folder / "out", {.folders = {folder.path()}}); }),
              HasSubstr("neither velodyne/"));
  const std::string drive = write_drive(folder / "raw");
  write_bytes(drive + "/tracklet_labels.xml", "<tracklets><item><h>1");
  EXPECT_THAT(error_of([&] { import_kitti(folder / "out", {.folders = {drive}}); }),
              HasSubstr("tracklet_labels.xml: it ends too early"));
  write_bytes(drive + "/velodyne_points/timestamps.txt", "2011-09-26 13:02\n");
  EXPECT_THAT(error_of([&] { import_kitti(folder / "out", {.folders = {drive}}); }),
              HasSubstr("timestamps.txt:1: expected a time"));
  EXPECT_FALSE(std::filesystem::exists(folder / "out"));
}

}  // namespace
}  // namespace bevgrad
