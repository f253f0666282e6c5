#include "data/import_nuscenes.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>

#include "data/dataset.h"
#include "internal/points_in_boxes.h"
#include "made_data.h"
#include "support/paths.h"

namespace bevgrad {
namespace {

using ::testing::AllOf;
using testing::error_of;
using ::testing::HasSubstr;
using testing::TemporaryFolder;

const std::string kMadeUp = testing::source_dir() + "/tests/golden/data/nuscenes_like";

/// Imports one of the made-up infos, whose frames have two cameras.
ImportReport import_made_up(const std::string& out, const std::string& infos = "infos.pkl",
                            const std::string& in = kMadeUp) {
  return import_nuscenes(out, {.info = in + "/" + infos, .images = in, .cameras = {"CAM_FRONT", "CAM_BACK"}});
}

std::string read_whole(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

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
  ImportReport report = import_made_up(folder / "out");
  EXPECT_EQ(report.frames, 3);
  EXPECT_EQ(report.sequences, 2);
  EXPECT_EQ(report.boxes, 12);
  EXPECT_THAT(report.left_out, ::testing::ElementsAre(::testing::Pair("without a name", 3)));
  EXPECT_TRUE(report.remarks.empty());
  Dataset dataset = open(folder / "out", options_of({"CAM_FRONT", "CAM_BACK"}, 12, 16));
  EXPECT_THAT(dataset.streams()[0].frames, ::testing::ElementsAre(0, 1));
  EXPECT_EQ(dataset.entry(0).key, "frame0");
  EXPECT_EQ(dataset.load(1).ego_pose.translation(), (Vec3{1, 0, 0}));
}

TEST(ImportNuscenes, BoxesAndPointsComeInTheEgoFrame) {
  TemporaryFolder folder;
  import_made_up(folder / "out");
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
  DatasetOptions described = options_of({"CAM_FRONT"}, 24, 32);
  described.labels.box_attributes = {{"rider", {"none", "present"}}};
  sample = open(folder / "out", described).load(0);
  EXPECT_THAT(sample.labels.boxes[1].attributes, ::testing::ElementsAre(1));
  EXPECT_TRUE(sample.labels.boxes[2].attributes.empty());

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
  import_made_up(folder / "out");
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

TEST(ImportNuscenes, OlderInfosSayTheSame) {
  TemporaryFolder folder;
  import_made_up(folder / "v2");
  const DatasetOptions options = options_of({"CAM_FRONT", "CAM_BACK"}, 12, 16);
  const Dataset v2 = open(folder / "v2", options);
  for (const std::string infos : {"infos_v1.pkl", "infos_v1_list.pkl", "infos_v1_old.pkl"}) {
    const ImportReport report = import_made_up(folder / infos, infos);
    EXPECT_EQ(report.frames, 3) << infos;
    EXPECT_EQ(report.boxes, 12) << infos;
    EXPECT_EQ(report.remarks.size(), infos == "infos_v1_old.pkl" ? 1u : 0u);
    const Dataset v1 = open(folder / infos, options);
    for (int64_t i = 0; i < 3; ++i) {
      const Sample a = v2.load(i), b = v1.load(i);
      EXPECT_EQ(a.key, b.key);
      EXPECT_EQ(a.sequence, b.sequence);
      EXPECT_EQ(a.timestamp, b.timestamp);
      EXPECT_EQ(a.points.to_vector(), b.points.to_vector());
      for (size_t k = 0; k < 16; ++k) {
        EXPECT_NEAR(a.ego_pose.m[k], b.ego_pose.m[k], 1e-9);
        for (size_t c = 0; c < 2; ++c)
          EXPECT_NEAR(a.cameras[c].camera.sensor2ego.m[k], b.cameras[c].camera.sensor2ego.m[k], 1e-9);
      }
      EXPECT_NEAR(a.cameras[0].camera.fy, b.cameras[0].camera.fy, 1e-9);
      ASSERT_EQ(a.labels.boxes.size(), b.labels.boxes.size());
      for (size_t k = 0; k < a.labels.boxes.size(); ++k) {
        const Box3d &p = a.labels.boxes[k], &q = b.labels.boxes[k];
        EXPECT_NEAR(p.x, q.x, 1e-5);
        EXPECT_NEAR(p.l, q.l, 1e-6);
        EXPECT_NEAR(p.w, q.w, 1e-6);
        EXPECT_NEAR(std::remainder(p.yaw - q.yaw, 6.283185307), 0, 1e-5) << infos;
        EXPECT_EQ(p.has_velocity, q.has_velocity);
        EXPECT_NEAR(p.vy, q.vy, 1e-5);
        EXPECT_EQ(p.num_lidar_points, q.num_lidar_points);
        // They know nothing of riders: the bicycle that stands has none.
        if (k != 1) {
          EXPECT_EQ(p.class_id, q.class_id);
        }
      }
      EXPECT_EQ(LabelSchema().dynamic_classes[static_cast<size_t>(b.labels.boxes[1].class_id)], "riderless_non_motor");
    }
  }
}

TEST(ImportNuscenes, ScenesAreSequencesWhateverTheirTimes) {
  TemporaryFolder folder;
  const ImportReport report = import_made_up(folder / "out", "infos_scenes.pkl");
  EXPECT_EQ(report.sequences, 2);
  const Dataset dataset = open(folder / "out", options_of({"CAM_FRONT"}, 12, 16));
  ASSERT_EQ(dataset.streams().size(), 2u);
  EXPECT_EQ(dataset.streams()[0].frames.size(), 2u) << "a pause does not end a scene";
  const auto key = [&](size_t stream, size_t frame) {
    return dataset.entry(dataset.streams()[stream].frames[frame]).key;
  };
  EXPECT_EQ(key(0, 0), "frame0");
  EXPECT_EQ(key(0, 1), "late");
  EXPECT_EQ(key(1, 0), "frame1");
}

TEST(ImportNuscenes, TimestampsAreSecondsWhateverTheirUnitWas) {
  TemporaryFolder folder;
  EXPECT_TRUE(import_made_up(folder / "ns", "infos_nanoseconds.pkl").remarks.empty());
  const DatasetOptions options = options_of({"CAM_FRONT"}, 12, 16);
  EXPECT_NEAR(open(folder / "ns", options).entry(0).timestamp, 1532402927.647951872, 1e-6);
  const ImportReport seconds = import_made_up(folder / "s", "infos_v1_seconds.pkl");
  EXPECT_THAT(seconds.remarks, ::testing::ElementsAre(HasSubstr("timestamps were seconds")));
  EXPECT_EQ(open(folder / "s", options).frame_period(), 0.5);
  EXPECT_THAT(error_of([&] { import_made_up(folder / "x", "infos_too_close.pkl"); }),
              AllOf(HasSubstr("data_list[0]"), HasSubstr("data_list[1]"), HasSubstr("0.0001 s apart")));
}

TEST(ImportNuscenes, OtherNamesPathsAndCategoriesOfForksAreTaken) {
  TemporaryFolder folder;
  const ImportReport report = import_made_up(folder / "out", "infos_v1_bevfusion.pkl");
  EXPECT_EQ(report.boxes, 4);
  EXPECT_THAT(report.left_out, ::testing::ElementsAre(::testing::Pair("animal", 1)));
  const Sample sample = open(folder / "out", options_of({"CAM_FRONT"}, 24, 32)).load(0);
  EXPECT_EQ(sample.labels.boxes[0].class_id, 0);
  EXPECT_NEAR(sample.cameras[0].camera.fx, 16, 1e-9);
}

TEST(ImportNuscenes, StreamMapNetsNamesSayTheSame) {
  TemporaryFolder folder;
  const ImportReport report = import_made_up(folder / "stream", "infos_v1_streammapnet.pkl");
  import_made_up(folder / "plain", "infos_v1_bevfusion.pkl");
  EXPECT_EQ(report.frames, 1);
  const DatasetOptions options = options_of({"CAM_FRONT", "CAM_BACK"}, 24, 32);
  const Sample a = open(folder / "stream", options).load(0), b = open(folder / "plain", options).load(0);
  EXPECT_FALSE(a.labels.has_boxes);
  EXPECT_EQ(a.points.to_vector(), b.points.to_vector());
  for (size_t c = 0; c < 2; ++c)
    for (size_t i = 0; i < 16; ++i)
      EXPECT_NEAR(a.cameras[c].camera.sensor2ego.m[i], b.cameras[c].camera.sensor2ego.m[i], 1e-9);
  EXPECT_NEAR(a.cameras[0].camera.fx, 16, 1e-9);
}

TEST(ImportNuscenes, MapTRsVectorsBecomeShapes) {
  TemporaryFolder folder;
  const ImportReport report =
      import_nuscenes(folder / "out", {.info = kMadeUp + "/infos_v1_maptr.pkl",
                                       .images = kMadeUp,
                                       .cameras = {"CAM_FRONT", "CAM_BACK"},
                                       .classes = {{"divider", "Divider"}, {"boundary", "Curb"}}});
  EXPECT_EQ(report.shapes, 3) << "centre lines are no marks";
  EXPECT_TRUE(report.remarks.empty());
  DatasetOptions options = options_of({"CAM_FRONT"}, 24, 32);
  options.labels.lane_classes = {"Divider"};
  options.labels.road_classes = {"Crosswalk", "Curb"};
  const Sample sample = open(folder / "out", options).load(0);
  ASSERT_EQ(sample.labels.lane_shapes.size(), 1u);
  const LabelShape& divider = sample.labels.lane_shapes[0];
  EXPECT_NEAR(divider.points.front().x, 0, 1e-4);
  EXPECT_NEAR(divider.points.back().x, 10, 1e-4);
  EXPECT_NEAR(divider.points.back().y, 2, 1e-4);
  ASSERT_EQ(sample.labels.road_shapes.size(), 2u);
  EXPECT_TRUE(sample.labels.road_shapes[0].closed);
}

TEST(ImportNuscenes, OldBoxesAreKnownByThePointsThatTheyHold) {
  TemporaryFolder folder;
  const ImportReport report = import_made_up(folder / "out", "infos_v1_old_pedestrian.pkl");
  EXPECT_THAT(report.remarks, ::testing::ElementsAre(HasSubstr("before 1.0")));
  const Sample sample = open(folder / "out", options_of({"CAM_FRONT"}, 24, 32)).load(0);
  EXPECT_NEAR(sample.labels.boxes[0].l, 1.2, 1e-6);
  EXPECT_GE(count_inside(sample.labels.boxes[0], sample.points, 0.01), 59);
}

/// Imports infos.pkl with one of its files replaced.
template <class Change>
ImportReport import_with(const TemporaryFolder& folder, const std::string& file, const std::string& out,
                         Change change) {
  std::filesystem::remove_all(folder / "in");
  std::filesystem::copy(kMadeUp, folder / "in");
  std::string bytes = read_whole(folder / "in/" + file);
  change(bytes);
  std::ofstream(folder / "in/" + file, std::ios::binary) << bytes;
  return import_made_up(folder / out, "infos.pkl", folder / "in");
}

TEST(ImportNuscenes, CloudsThatAreOddAreKeptWithARemark) {
  TemporaryFolder folder;
  const auto rows = [](std::string& bytes, auto change) {
    auto* values = reinterpret_cast<float*>(bytes.data());
    for (size_t i = 0; i < bytes.size() / 20; ++i) change(values + 5 * i);
  };
  const std::string cloud = "1_LIDAR_TOP.pcd.bin";
  const auto zeroed = import_with(folder, cloud, "zero",
                                  [&](std::string& bytes) { rows(bytes, [](float* p) { p[0] = p[1] = p[2] = 0; }); });
  EXPECT_THAT(zeroed.remarks, ::testing::ElementsAre(AllOf(HasSubstr("1 LiDAR files"), HasSubstr("origin"))));
  const auto unit =
      import_with(folder, cloud, "unit", [&](std::string& bytes) { rows(bytes, [](float* p) { p[3] /= 255; }); });
  EXPECT_THAT(unit.remarks, ::testing::ElementsAre(HasSubstr("intensities from 0 to 1")));
  EXPECT_NEAR(open(folder / "unit", options_of({"CAM_FRONT"}, 24, 32)).load(1).points.to_vector()[3], 1, 1e-6);
  EXPECT_THAT(error_of([&] {
                import_with(folder, cloud, "stamp",
                            [&](std::string& bytes) { rows(bytes, [](float* p) { p[3] = 1.6e9f; }); });
              }),
              AllOf(HasSubstr(cloud), HasSubstr("time stamp")));
}

TEST(ImportNuscenes, StrayBytesInAWholePictureAreNoDamage) {
  TemporaryFolder folder;
  const ImportReport report = import_with(
      folder, "1_CAM_BACK.jpg", "out", [](std::string& jpeg) { jpeg.insert(jpeg.size() - 2, std::string(20, '\0')); });
  EXPECT_THAT(report.remarks, ::testing::ElementsAre(AllOf(HasSubstr("stray bytes"), HasSubstr("1_CAM_BACK.jpg"))));
}

TEST(ImportNuscenesErrors, APictureThatIsNotTheCalibrationsIsRefused) {
  TemporaryFolder folder;
  const auto error = [&](const std::string& infos) { return error_of([&] { import_made_up(folder / "out", infos); }); };
  EXPECT_THAT(error("infos_stated_size.pkl"), AllOf(HasSubstr("CAM_BACK"), HasSubstr("64x48"), HasSubstr("32x24")));
  EXPECT_THAT(error("infos_principal_point.pkl"), AllOf(HasSubstr("CAM_BACK"), HasSubstr("(33.0, 11.5)")));
  EXPECT_THAT(error("infos_upside_down.pkl"), AllOf(HasSubstr("ego2global"), HasSubstr("180 degrees off upward")));
  EXPECT_THAT(error("infos_same_token.pkl"), AllOf(HasSubstr("data_list[1].token"), HasSubstr("data_list[0]")));
  // A tag that turns the picture by a quarter, and one picture of another size than the camera's others.
  const std::string exif(
      "\xff\xe1\0\x22"
      "Exif\0\0MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0",
      36);
  EXPECT_THAT(
      error_of([&] { import_with(folder, "1_CAM_BACK.jpg", "out", [&](std::string& jpeg) { jpeg.insert(2, exif); }); }),
      AllOf(HasSubstr("1_CAM_BACK.jpg"), HasSubstr("Orientation 6")));
  EXPECT_THAT(error_of([&] {
                import_with(folder, "1_CAM_BACK.jpg", "out",
                            [](std::string& jpeg) { jpeg = encode_jpeg(testing::gradient_image(30, 40), 90); });
              }),
              AllOf(HasSubstr("data_list[2]"), HasSubstr("40x30"), HasSubstr("32x24")));
}

TEST(ImportNuscenesErrors, NameWhatIsWrongAndLeaveNothing) {
  TemporaryFolder folder;
  std::filesystem::copy(kMadeUp, folder / "in");
  auto error = [&] { return error_of([&] { import_made_up(folder / "out", "infos.pkl", folder / "in"); }); };
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

TEST(ImportNuscenesErrors, NameTheEntryThatIsMissing) {
  TemporaryFolder folder;
  const std::string whole = read_whole(kMadeUp + "/infos.pkl"), older = read_whole(kMadeUp + "/infos_v1.pkl");
  std::filesystem::copy(kMadeUp, folder / "in");
  const auto error_without = [&](const std::string& from, const std::string& entry) {
    std::string bytes = from;
    for (size_t at = bytes.find(entry); at != std::string::npos; at = bytes.find(entry)) bytes[at] = 'X';
    std::ofstream(folder / "in/infos.pkl", std::ios::binary) << bytes;
    return error_of([&] { import_made_up(folder / "out", "infos.pkl", folder / "in"); });
  };
  for (const std::string entry : {"timestamp", "ego2global", "images", "lidar_points", "lidar_path", "lidar2ego",
                                  "img_path", "cam2img", "bbox_3d", "bbox_label_3d"})
    EXPECT_THAT(error_without(whole, entry),
                AllOf(HasSubstr("infos.pkl: data_list[0]"), HasSubstr("has no entry '" + entry + "'")));
  for (const std::string entry : {"timestamp", "ego2global_rotation", "cams", "lidar_path", "lidar2ego_translation",
                                  "data_path", "cam_intrinsic", "sensor2lidar_rotation", "gt_names"})
    EXPECT_THAT(error_without(older, entry),
                AllOf(HasSubstr("infos.pkl: infos[0]"), HasSubstr("has no entry '" + entry + "'")));
  EXPECT_THAT(error_without(whole, "CAM_BACK"),
              HasSubstr("infos.pkl: no frame has a camera 'CAM_BACK', the infos' are: CAM_FRONT, XAM_BACK"));
  EXPECT_THAT(error_without(whole, "data_list"), HasSubstr("expected an info file of mmdetection3d"));
  EXPECT_FALSE(std::filesystem::exists(folder / "out"));
  EXPECT_THAT(error_of([&] {
                import_nuscenes(folder / "out", {kMadeUp + "/infos.pkl", kMadeUp});
              }),
              HasSubstr("no frame has a camera 'CAM_FRONT_LEFT', the infos' are: CAM_BACK, CAM_FRONT"));
  EXPECT_THROW(import_nuscenes(folder / "out", {kMadeUp + "/infos.pkl", kMadeUp, {"CAM_BACK", "CAM_BACK"}}),
               UsageError);
}

/// The frame of real data that the tests may be given; BEVGRAD_REAL_DATA names its folder.
std::string real_folder() {
  const char* named = std::getenv("BEVGRAD_REAL_DATA");
  return (named != nullptr ? std::string(named) : testing::source_dir() + "/../shared/data") + "/nuscenes";
}

TEST(ImportNuscenes, TheRealFramesBoxesHoldAsManyPointsAsItsAnnotatorsCounted) {
  const std::string real = real_folder();
  std::string info;
  if (std::filesystem::is_directory(real))
    for (const auto& file : std::filesystem::directory_iterator(real))
      if (file.path().extension() == ".pkl") info = file.path().string();
  if (info.empty()) GTEST_SKIP() << "SKIPPED: " << real << " holds no nuScenes frame";
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
    found += count_inside(box, sample.points);
  }
  EXPECT_GT(counted, 500);
  EXPECT_NEAR(static_cast<double>(found), static_cast<double>(counted), 0.05 * static_cast<double>(counted));

  // LiDAR points land on every camera's picture: on its lower part and its middle, hardly on its upper tenth.
  for (const CameraImage& camera : sample.cameras) {
    CameraProjector projector(camera.camera);
    int64_t seen = 0, high = 0, low = 0;
    for (int64_t i = 0; i < sample.points.size(0); ++i) {
      const float* p = sample.points.data<float>() + i * 4;
      const auto pixel = projector.project({p[0], p[1], p[2]});
      if (!pixel) continue;
      ++seen;
      high += pixel->v < 45;
      low += pixel->v > 225;
    }
    EXPECT_GT(seen, 1500) << camera.name;
    EXPECT_LT(high * 20, seen) << camera.name;
    EXPECT_GT(low * 3, seen) << camera.name;
  }
}

TEST(ImportNuscenesErrors, ATruncatedLidarFileIsRefusedThoughItsPointsAreWhole) {
  const std::string real = real_folder();
  if (!std::filesystem::is_directory(real)) GTEST_SKIP() << "SKIPPED: " << real << " is no folder";
  TemporaryFolder folder;
  std::filesystem::copy(real, folder / "in");
  std::string info;
  for (const auto& file : std::filesystem::directory_iterator(folder / "in")) {
    std::filesystem::permissions(file.path(), std::filesystem::perms::owner_write, std::filesystem::perm_options::add);
    if (file.path().extension() == ".pkl") info = file.path().string();
    if (file.path().extension() == ".bin") std::filesystem::resize_file(file.path(), 20 * 5000);
  }
  EXPECT_THAT(
      error_of([&] {
        import_nuscenes(folder / "out", {info, folder / "in"});
      }),
      AllOf(HasSubstr(".pcd.bin"), HasSubstr("points lie in the boxes of"), HasSubstr("expected a whole file")));
  EXPECT_FALSE(std::filesystem::exists(folder / "out"));
}

}  // namespace
}  // namespace bevgrad
