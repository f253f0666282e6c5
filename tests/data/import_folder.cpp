#include "data/import_folder.h"

#include <fstream>
#include <functional>

#include "data/dataset.h"
#include "data/recorded_options.h"
#include "grey_png.h"
#include "internal/neutral/json_schema.h"
#include "neutral_folder.h"

namespace bevgrad {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;
using testing::NeutralFolder;
using ::testing::Pair;
using Json = nlohmann::json;

Dataset open(const NeutralFolder& made) {
  const std::vector<ListGroup> lists = {{"all", {made.out() + "/all.txt"}}};
  DatasetOptions options = recorded_options(Dataset(made.out() + "/lmdb.txt", lists, {}));
  options.groups = {{"front", {"front"}, 48, 64}};
  options.load_points = true;
  return Dataset(made.out() + "/lmdb.txt", lists, options);
}

std::vector<double> xy_of(const LabelShape& shape) {
  std::vector<double> out;
  for (Vec2 p : shape.points) out.insert(out.end(), {std::round(p.x * 1e4) / 1e4, std::round(p.y * 1e4) / 1e4});
  return out;
}

TEST(ImportFolder, AFrameHasItsSensorsAndLabelsInTheEgoFrame) {
  NeutralFolder made;
  made.sequence["frames"].erase(1);
  made.sequence["place"] = "town";
  made.sequence["frames"][0]["labels"]["boxes"][0]["track"] = 5;
  made.write();
  const ImportFolderReport report = import_folder(made.out(), {.folder = made.in()});
  EXPECT_EQ(report.frames, 1);
  EXPECT_EQ(report.pictures, 1);
  EXPECT_THAT(report.by_list, ElementsAre(Pair("all", 1), Pair("train", 1)));
  const Dataset dataset = open(made);
  EXPECT_EQ(dataset.entry(0).key, "drive/000000");
  const Sample sample = dataset.load(0);
  EXPECT_EQ(sample.timestamp, 10);
  EXPECT_NEAR(sample.ego_pose.yaw(), std::numbers::pi / 2, 1e-9);
  ASSERT_EQ(sample.points.size(0), 2) << "the return that is not a number is left out";
  const auto points = sample.points.to_vector();
  EXPECT_THAT(std::vector<float>(points.begin(), points.begin() + 4), ElementsAre(10, 0, 0.5f, 1));
  EXPECT_FLOAT_EQ(points[7], 0.2f);
  EXPECT_NEAR(sample.cameras[0].camera.sensor2ego.translation().x, 2.5, 1e-9)
      << "the picture was taken a metre further on";
  EXPECT_EQ(sample.cameras[0].camera.fy, 51);
  EXPECT_NEAR(sample.cameras[0].image.to_vector()[3 * (24 * 64 + 32)], 100, 4);

  ASSERT_EQ(sample.labels.boxes.size(), 1u);
  const Box3d& bus = sample.labels.boxes[0];
  EXPECT_EQ(dataset.options().labels.dynamic_classes[static_cast<size_t>(bus.class_id)], "bus");
  EXPECT_NEAR(bus.x, 10, 1e-5);
  EXPECT_NEAR(bus.y, 0, 1e-5);
  EXPECT_NEAR(bus.z, 1.5, 1e-5);
  EXPECT_NEAR(bus.yaw, 0, 1e-5);
  EXPECT_NEAR(bus.vx, 4, 1e-5);
  EXPECT_EQ(bus.num_lidar_points, -1);
  EXPECT_EQ(bus.track, 5);
  EXPECT_EQ(sample.place, "town");
  ASSERT_TRUE(sample.lidar.has_value());
  EXPECT_EQ(*sample.lidar, (Vec3{1, 0, 2}));
}

TEST(ImportFolder, ShapesAndTheMapLieOnTheGroundAroundTheVehicle) {
  NeutralFolder made;
  made.write();
  const ImportFolderReport report =
      import_folder(made.out(), {.folder = made.in(), .classes = {{"solid/yellow", "YellowLine"}, {"crosswalk", ""}}});
  EXPECT_THAT(report.shapes, ElementsAre(Pair("DashedLine", 1), Pair("Freespace", 2), Pair("YellowLine", 2)))
      << "the bridge 28 m above is another level";
  EXPECT_THAT(report.remarks, ElementsAre(HasSubstr("1 frames have no picture of camera 'front'")));
  const std::vector<ListGroup> lists = {{"all", {made.out() + "/all.txt"}}};
  DatasetOptions options = recorded_options(Dataset(made.out() + "/lmdb.txt", lists, {}));
  EXPECT_THAT(options.labels.lane_classes, ElementsAre("DashedLine", "SolidLine", "YellowLine"));
  EXPECT_THAT(options.labels.road_classes, ElementsAre("Freespace"));
  options.labels.grid = {.x_min = 0, .y_min = -10, .x_max = 20, .y_max = 10, .cell = 0.5};
  const Dataset dataset(made.out() + "/lmdb.txt", lists, options);
  const Labels first = dataset.load(0).labels, second = dataset.load(1).labels;
  ASSERT_EQ(first.lane_shapes.size(), 2u);
  EXPECT_THAT(xy_of(first.lane_shapes[0]), ElementsAre(-10, -3, 30, -3));
  EXPECT_THAT(xy_of(first.lane_shapes[1]), ElementsAre(0, 2, 10, 2));
  EXPECT_NEAR(first.lane_shapes[1].width, 0.15, 1e-6);
  const auto cell = [&](const Tensor& raster, int64_t layer, double x, double y) {
    const int64_t row = static_cast<int64_t>((y + 10) / 0.5), column = static_cast<int64_t>(x / 0.5);
    return static_cast<int>(raster.data<const uint8_t>()[(layer * 40 + row) * 40 + column]);
  };
  EXPECT_EQ(cell(first.road, 0, 3, 3), 1);
  EXPECT_EQ(cell(first.road, 0, 7, -7), 0) << "the island in the drivable area";
  EXPECT_EQ(cell(first.road, 0, 3, -7), 1) << "no cell is lost on the way to the island";
  EXPECT_EQ(cell(first.lane, 0, 5, 2), 1);
  EXPECT_EQ(cell(second.lane, 0, 5, 2), kIgnoreLabel) << "a frame without labels says nothing of dashed lines";
  EXPECT_EQ(cell(second.lane, 2, 5, -3), 1) << "but the map does of others";
  EXPECT_EQ(cell(second.lane, 1, 5, 3), 0) << "and says that there is no white one";
  EXPECT_FALSE(dataset.load(1).labels.has_boxes);
}

TEST(ImportFolder, TheOwnVehicleIsMasked) {
  NeutralFolder made;
  made.sequence["frames"].erase(1);
  made.sequence["cameras"]["front"]["ego_mask"] = Json::parse("[[[0, 40], [63, 40], [63, 47], [0, 47]]]");
  made.write();
  import_folder(made.out(), {.folder = made.in()});
  const CameraImage camera = open(made).load(0).cameras[0];
  EXPECT_EQ(camera.camera.ego_mask, (EgoMask{{{0, 40}, {63, 40}, {63, 47}, {0, 47}}}));
  EXPECT_EQ(camera.image.to_vector()[44 * 64 + 32], 0);
  made.sequence["cameras"]["front"]["ego_mask"] = Json::parse("[[[0, 40], [63, 40]]]");
  made.write();
  EXPECT_THAT(error_of([&] { import_folder(made.out() + "2", {.folder = made.in()}); }),
              HasSubstr("drive.json: cameras.front.ego_mask[0] has 2 entries, expected 3 to 1000"));
}

TEST(ImportFolder, ALensOfAnotherModelBecomesAFisheye) {
  NeutralFolder made;
  made.sequence["frames"].erase(1);
  Json& camera = made.sequence["cameras"]["front"];
  camera["model"] = "mei";
  camera.erase("distortion");
  camera["parameters"] = {1, 0, 0, 0, 0};
  made.write();
  const ImportFolderReport report = import_folder(made.out(), {.folder = made.in()});
  EXPECT_THAT(report.remarks,
              ElementsAre(AllOf(HasSubstr("cameras.front: 'mei' became a fisheye"), HasSubstr("pixels off"))));
  const Camera read = open(made).load(0).cameras[0].camera;
  EXPECT_EQ(read.kind, CameraKind::Fisheye);
  // Stereographic: u = cx + f tan(angle / 2).
  const auto pixel = CameraProjector(read).project_sensor({0.5, 0, 1});
  ASSERT_TRUE(pixel.has_value());
  EXPECT_NEAR(pixel->u, 31.5 + 50 * std::tan(std::atan(0.5) / 2), 0.01);
}

TEST(ImportFolder, ARationalLensStaysWhatItIs) {
  NeutralFolder made;
  made.sequence["frames"].erase(1);
  Json& camera = made.sequence["cameras"]["front"];
  camera["model"] = "rational";
  camera.erase("distortion");
  camera["parameters"] = {4.7, 3.2, 0.001, 0.0001, 0.17, 5.1, 4.8, 0.9};
  made.write();
  EXPECT_TRUE(import_folder(made.out(), {.folder = made.in()}).remarks.empty());
  const Camera read = open(made).load(0).cameras[0].camera;
  EXPECT_EQ(read.kind, CameraKind::Rational);
  EXPECT_EQ(read.distortion, (std::array{4.7, 3.2, 0.001, 0.0001, 0.17}));
  EXPECT_EQ(read.denominator, (std::array{5.1, 4.8, 0.9}));
  camera["parameters"].erase(0);
  made.write();
  EXPECT_THAT(error_of([&] { import_folder(made.out() + "2", {.folder = made.in()}); }),
              HasSubstr("cameras.front.parameters has 7 numbers, expected 8: k1, k2, p1, p2, k3, k4, k5, k6"));
}

TEST(ImportFolder, APaintedMaskCoversItsPixels) {
  NeutralFolder made;
  made.sequence["frames"].erase(1);
  made.sequence["cameras"]["front"]["ego_mask_image"] = "mask.png";
  made.write();
  // The picture's lower part with a window in it, and a mirror at the side.
  std::vector<uint8_t> pixels(48 * 64);
  const auto is_masked = [](int v, int u) {
    const bool bonnet = v >= 36 && !(v >= 40 && v < 44 && u >= 20 && u < 30);
    return bonnet || (u < 5 && v >= 10 && v < 20);
  };
  for (int v = 0; v < 48; ++v)
    for (int u = 0; u < 64; ++u) pixels[static_cast<size_t>(v * 64 + u)] = is_masked(v, u) ? 255 : 0;
  const auto paint = [&](uint32_t width, uint32_t height) {
    std::ofstream(made.in() + "/mask.png", std::ios::binary) << testing::grey_png(width, height, pixels);
  };
  paint(64, 48);
  import_folder(made.out(), {.folder = made.in()});
  const CameraImage camera = open(made).load(0).cameras[0];
  ASSERT_EQ(camera.camera.ego_mask.size(), 2u);
  for (int v = 0; v < 48; ++v)
    for (int u = 0; u < 64; ++u)
      ASSERT_EQ(bevgrad::is_masked(camera.camera.ego_mask, {static_cast<double>(u), static_cast<double>(v)}),
                is_masked(v, u))
          << v << " " << u;
  paint(48, 64);
  EXPECT_THAT(error_of([&] { import_folder(made.out() + "2", {.folder = made.in()}); }),
              HasSubstr("mask.png: the mask is 48x64 pixels, expected the camera's 64x48"));
}

TEST(ImportFolder, RastersAreTakenAsTheyAre) {
  NeutralFolder made;
  made.sequence.erase("map");
  made.sequence["frames"].erase(1);
  const std::vector<uint8_t> cells = {0, 1, 255, 1, 0, 0};
  testing::write_bytes(made.in() + "/rasters/0.npy", testing::npy("|u1", "1, 2, 3", cells));
  made.sequence["frames"][0]["labels"] = {
      {"lane_raster", {{"file", "rasters/0.npy"}, {"x_min", -1}, {"y_min", 2}, {"cell", 0.5}}}};
  made.write();
  import_folder(made.out(), {.folder = made.in()});
  const Dataset dataset = open(made);
  EXPECT_EQ(dataset.options().labels.grid.y_max, 3);
  const auto lane = dataset.load(0).labels.lane.to_vector();
  EXPECT_THAT(lane, ElementsAre(0, 1, 255, 1, 0, 0));
}

TEST(ImportFolder, WhatIsWrongIsNamedByFileAndPath) {
  struct Case {
    std::function<void(NeutralFolder&)> change;
    std::vector<std::string> texts;
  };
  const auto frame = [](NeutralFolder& made) -> Json& { return made.sequence["frames"][0]; };
  const std::vector<Case> cases = {
      {[](NeutralFolder& m) { m.sequence["format"] = "x"; }, {"drive.json: format is \"x\", expected \"bevgrad-seq"}},
      {[](NeutralFolder& m) { m.sequence["camera"] = 1; },
       {"the file has an entry 'camera'", "did you mean \"cameras\""}},
      {[](NeutralFolder& m) { m.sequence["frames"] = Json::array(); }, {"frames has 0 entries, expected 1 to"}},
      {[&](NeutralFolder& m) { frame(m).erase("timestamp"); }, {"frames[0] has no entry 'timestamp'"}},
      {[&](NeutralFolder& m) { frame(m)["timestamp"] = "10"; }, {"frames[0].timestamp is \"10\", expected a number"}},
      {[&](NeutralFolder& m) { frame(m)["timestamp"] = 1.5e18; }, {"frames[0].timestamp is 1.5e+18, expected at most"}},
      {[](NeutralFolder& m) { m.sequence["frames"][1]["timestamp"] = 10.0; },
       {"frames[1].timestamp is 10", "frames[0]'s"}},
      {[&](NeutralFolder& m) { frame(m)["ego_pose"].erase("rotation"); },
       {"frames[0].ego_pose has no entry 'matrix', or"}},
      {[&](NeutralFolder& m) {
         frame(m)["ego_pose"]["rotation"] = {0.5, 0, 0, 0};
       },
       {"frames[0].ego_pose.rotation", "length 0.5"}},
      {[&](NeutralFolder& m) {
         frame(m)["ego_pose"]["rotation"] = {0, 1, 0, 0};
       },
       {"frames[0].ego_pose", "180 degrees"}},
      {[&](NeutralFolder& m) { frame(m)["cameras"]["frnt"] = frame(m)["cameras"]["front"]; },
       {"frames[0].cameras: 'frnt'", "did you mean \"front\""}},
      {[&](NeutralFolder& m) { frame(m)["cameras"]["front"]["image"] = "../0.jpg"; },
       {"frames[0].cameras.front.image is '../0.jpg'", "inside"}},
      {[&](NeutralFolder& m) { frame(m)["cameras"]["front"]["image"] = "no.jpg"; },
       {"frames[0].cameras.front.image", "holds no file 'no.jpg'"}},
      {[](NeutralFolder& m) { m.sequence["cameras"]["front"]["width"] = 128; },
       {"camera 'front' is calibrated for 128x48 pixels", "64x48"}},
      {[](NeutralFolder& m) { m.sequence["cameras"]["front"]["fov"] = 2; },
       {"cameras.front has an entry 'fov', which a camera of the model 'pinhole' does not have"}},
      {[](NeutralFolder& m) { m.sequence["cameras"]["front"]["model"] = "fisheye"; },
       {"cameras.front has no entry 'fov', which a camera of the model 'fisheye' needs"}},
      {[](NeutralFolder& m) { m.sequence["cameras"]["front"]["model"] = "mei"; },
       {"cameras.front has no entry 'parameters', which a camera of the model 'mei' needs"}},
      {[](NeutralFolder& m) { m.sequence["points"].erase("lidar2ego"); },
       {"points.frame is lidar, and lidar2ego is missing"}},
      {[](NeutralFolder& m) { m.sequence["points"].erase("intensity_max"); },
       {"0.bin: point 0 has the intensity 255", "points.intensity_max"}},
      {[](NeutralFolder& m) {
         m.sequence["points"]["columns"] = {"x", "y", "z", "t"};
       },
       {"0.bin: 60 bytes are not a whole number of points of 4"}},
      {[](NeutralFolder& m) { m.sequence["points"]["columns"][2] = "height"; }, {"0.bin: has no column 'z'"}},
      {[&](NeutralFolder& m) { frame(m)["labels"]["boxes"][0]["class"] = "buss"; },
       {"frames[0].labels.boxes[0].class is 'buss'", "did you mean \"bus\""}},
      {[&](NeutralFolder& m) { frame(m)["labels"]["boxes"][0]["yaw"] = 90; },
       {"frames[0].labels.boxes[0].yaw is 90", "expected at most 12.5"}},
      {[&](NeutralFolder& m) { frame(m)["labels"]["boxes"][0]["num_lidar_points"] = 100; },
       {"1 points lie in its boxes", "counts 100"}},
      {[&](NeutralFolder& m) { frame(m)["labels"]["boxes"][0]["x"] = 1e8; },
       {"boxes[0] lies 99999900 m from the vehicle"}},
      {[&](NeutralFolder& m) { frame(m)["labels"]["lane"][0]["points"][1] = {1}; },
       {"lane[0].points[1] has 1 entries, expected 2 to 3"}},
      {[&](NeutralFolder& m) { frame(m)["key"] = " a"; }, {"frames[0].key is ' a'"}},
      {[&](NeutralFolder& m) { frame(m)["key"] = m.sequence["frames"][1]["key"] = "k"; },
       {"frames[1]: the key 'k' is", "frames[0]"}},
      {[](NeutralFolder& m) { m.sequence["lists"] = {"a/b"}; }, {"lists: 'a/b' cannot be the name"}},
      {[](NeutralFolder& m) {
         m.sequence["classes"]["boxes"] = {"car", "bus", "car"};
       },
       {"classes.boxes[2] is 'car'"}},
      {[](NeutralFolder& m) { m.map["features"][0]["kind"] = "solidd"; },
       {"place.json: features[0].kind is \"solidd\"", "did you mean \"solid\""}},
      {[](NeutralFolder& m) { m.map["kinds"] = {"drivable"}; },
       {"place.json: features[0] is of the kind 'solid', which 'kinds'"}},
      {[](NeutralFolder& m) { m.map["features"][0]["holes"] = Json::array(); },
       {"features[0] has holes", "it is a line"}},
  };
  for (const Case& one : cases) {
    NeutralFolder made;
    one.change(made);
    made.write();
    const std::string error = error_of([&] { import_folder(made.out(), {.folder = made.in()}); });
    for (const std::string& text : one.texts) EXPECT_THAT(error, HasSubstr(text));
    EXPECT_EQ(error.find('\n'), std::string::npos) << error;
    EXPECT_FALSE(std::filesystem::exists(made.out()));
  }
}

TEST(ImportFolder, TextThatIsNoJsonIsPlaced) {
  NeutralFolder made;
  testing::write_bytes(made.in() + "/drive.json", "{\"format\":\n \"bevgrad-sequence-1\", oops}");
  EXPECT_THAT(error_of([&] { import_folder(made.out(), {.folder = made.in()}); }),
              AllOf(HasSubstr("drive.json: not JSON: at line 2"), Not(HasSubstr("\n"))));
  testing::write_bytes(made.in() + "/drive.json", std::string(100000, '['));
  EXPECT_THAT(error_of([&] { import_folder(made.out(), {.folder = made.in()}); }), HasSubstr("not JSON"));
}

TEST(ImportFolder, AMapClassMustExist) {
  NeutralFolder made;
  made.write();
  const auto error = [&](const MapClasses& classes) {
    return error_of([&] { import_folder(made.out(), {.folder = made.in(), .classes = classes}); });
  };
  EXPECT_THAT(error({{"sold", "A"}}), HasSubstr("did you mean \"solid\""));
  EXPECT_THAT(error({{"solid/yelow", "A"}}), HasSubstr("did you mean \"yellow\""));
}

TEST(JsonSchema, KeywordsThatAreNotKnownAreRefused) {
  EXPECT_THAT(error_of([] { JsonSchema(R"({"properties": {"a": {"pattern": "x"}}})"); }), HasSubstr("'pattern'"));
  sequence_schema();
  map_schema();
}

}  // namespace
}  // namespace bevgrad
