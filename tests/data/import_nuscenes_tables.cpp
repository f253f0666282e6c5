#include "data/import_nuscenes_tables.h"

#include <functional>

#include "data/dataset.h"
#include "data/recorded_options.h"
#include "grey_png.h"
#include "internal/nuscenes/tables.h"
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
using Json = nlohmann::json;

/// Two scenes of two key frames, half a second apart, and four sweeps between them, in the layout of nuScenes' own
/// files: the vehicle at (100, 50 + 2 t) heads along +y, a car drives 10 m ahead of it.
struct NuscenesSet {
  TemporaryFolder folder;
  std::map<std::string, Json> tables;
  Json map;

  NuscenesSet() {
    for (const char* name : {"sensor", "calibrated_sensor", "log", "map", "scene", "sample", "sample_data", "ego_pose",
                             "category", "attribute", "instance", "sample_annotation"})
      tables[name] = Json::array();
    const Json left = {std::sqrt(0.5), 0, 0, std::sqrt(0.5)}, none = {1, 0, 0, 0};
    tables["sensor"] = {{{"token", "lidar"}, {"channel", "LIDAR_TOP"}, {"modality", "lidar"}},
                        {{"token", "front"}, {"channel", "CAM_FRONT"}, {"modality", "camera"}},
                        {{"token", "radar"}, {"channel", "RADAR_FRONT"}, {"modality", "radar"}}};
    const auto mounted = [&](const char* token, const Json& at, const Json& turned, const Json& k) {
      tables["calibrated_sensor"].push_back({{"token", std::string("c") + token},
                                             {"sensor_token", token},
                                             {"translation", at},
                                             {"rotation", turned},
                                             {"camera_intrinsic", k}});
    };
    mounted("lidar", {1, 0, 2}, none, Json::array());
    mounted("front", {1.5, 0, 1.5}, {0.5, -0.5, 0.5, -0.5}, {{50, 0, 31.5}, {0, 51, 23.5}, {0, 0, 1}});
    mounted("radar", {3, 0, 0.5}, none, Json::array());
    tables["log"] = {{{"token", "log"}, {"location", "town"}, {"logfile", "l"}}};
    tables["map"] = {
        {{"token", "m"}, {"log_tokens", {"log"}}, {"category", "semantic_prior"}, {"filename", "maps/m.png"}}};
    tables["category"] = {{{"token", "cat"}, {"name", "vehicle.car"}}, {{"token", "cyc"}, {"name", "vehicle.bicycle"}}};
    tables["attribute"] = {{{"token", "with"}, {"name", "cycle.with_rider"}},
                           {{"token", "without"}, {"name", "cycle.without_rider"}},
                           {{"token", "parked"}, {"name", "vehicle.parked"}}};
    for (int s = 0; s < 2; ++s) add_scene(s, left);
    const std::string jpeg = encode_jpeg(testing::gradient_image(48, 64), 95);
    const std::vector<float> point = {9, 0, -1.5f, 51, 3};
    for (const Json& row : tables["sample_data"])
      write_bytes(folder / row["filename"],
                  row["fileformat"] == "jpg" ? jpeg : std::string(reinterpret_cast<const char*>(point.data()), 20));
    const auto node = [](const char* token, double x, double y) { return Json{{"token", token}, {"x", x}, {"y", y}}; };
    map = {
        {"version", "1.3"},
        {"polygon",
         {{{"token", "p0"},
           {"exterior_node_tokens", {"a", "b", "c", "d"}},
           {"holes", {{{"node_tokens", {"e", "f", "g"}}}}}},
          {{"token", "p1"}, {"exterior_node_tokens", {"e", "f", "g"}}, {"holes", Json::array()}}}},
        {"line", {{{"token", "l0"}, {"node_tokens", {"h", "i", "j"}}}, {{"token", "l1"}, {"node_tokens", {"a", "d"}}}}},
        {"node",
         {node("a", 90, 40), node("b", 110, 40), node("c", 110, 80), node("d", 90, 80), node("e", 104, 54),
          node("f", 108, 54), node("g", 108, 58), node("h", 98, 50), node("i", 98, 55), node("j", 98, 60),
          node("k", 98, 70)}},
        {"drivable_area", {{{"token", "d0"}, {"polygon_tokens", {"p0"}}}}},
        {"lane_divider",
         {{{"token", "v0"},
           {"line_token", "l0"},
           {"lane_divider_segments",
            {{{"node_token", "h"}, {"segment_type", "SINGLE_SOLID_YELLOW"}},
             {{"node_token", "i"}, {"segment_type", "DOUBLE_DASHED_WHITE"}},
             {{"node_token", "j"}, {"segment_type", "NIL"}},
             {{"node_token", "k"}, {"segment_type", "NIL"}}}}}}},
        {"road_divider", {{{"token", "r0"}, {"line_token", "l1"}, {"road_segment_token", nullptr}}}},
        {"ped_crossing", {{{"token", "x0"}, {"polygon_token", "p1"}}}},
        {"stop_line", Json::array()},
        {"walkway", Json::array()},
        {"arcline_path_3", {{"lane0", {{{"shape", "RSR"}, {"start_pose", {0, 0, 0}}}}}}}};
  }

  void add_scene(int s, const Json& heading) {
    const std::string scene = s == 0 ? "scene-0103" : "scene-0061";
    tables["scene"].push_back({{"token", scene}, {"name", scene}, {"log_token", "log"}});
    tables["instance"].push_back({{"token", scene + "car"}, {"category_token", "cat"}});
    tables["instance"].push_back({{"token", scene + "cycle"}, {"category_token", "cyc"}});
    const int64_t start = 1500000000000000 + s * 100000000;
    for (int i = 0; i < 6; ++i) {
      const bool is_key = i % 5 == 0;
      const int64_t time = start + i * 100000;
      const std::string name = scene + "-" + std::to_string(i), sample = scene + "s" + std::to_string(i / 5);
      tables["ego_pose"].push_back(
          {{"token", "e" + name}, {"timestamp", time}, {"rotation", heading}, {"translation", {100, 50 + 0.2 * i, 0}}});
      if (is_key) {
        tables["sample"].push_back({{"token", sample}, {"timestamp", time}, {"scene_token", scene}});
        annotate(scene, sample, "car", i / 5, 60 + 0.2 * i, {"parked"});
        annotate(scene, sample, "cycle", i / 5, 70, {"without"});
      }
      shot(name, sample, "lidar", time, is_key, "pcd");
      if (i != 2) shot(name, sample, "front", time + 20000, is_key, "jpg");
      shot(name, sample, "radar", time, is_key, "pcd");
    }
  }

  void annotate(const std::string& scene, const std::string& sample, const std::string& what, int i, double y,
                const Json& attributes) {
    const Json turned = {std::sqrt(0.5), 0, 0, std::sqrt(0.5)};
    const auto name = [&](int at) { return at < 0 || at > 1 ? "" : scene + what + std::to_string(at); };
    tables["sample_annotation"].push_back({{"token", name(i)},
                                           {"sample_token", sample},
                                           {"instance_token", scene + what},
                                           {"attribute_tokens", attributes},
                                           {"translation", {100, y, 1}},
                                           {"size", {2, 4, 1.5}},
                                           {"rotation", turned},
                                           {"prev", name(i - 1)},
                                           {"next", name(i + 1)},
                                           {"num_lidar_pts", 1},
                                           {"num_radar_pts", 0}});
  }

  void shot(const std::string& name, const std::string& sample, const std::string& sensor, int64_t time, bool is_key,
            const std::string& format) {
    const std::string folder_name = is_key ? "samples/" : "sweeps/";
    tables["sample_data"].push_back({{"token", sensor + name},
                                     {"sample_token", sample},
                                     {"ego_pose_token", "e" + name},
                                     {"calibrated_sensor_token", "c" + sensor},
                                     {"timestamp", time},
                                     {"fileformat", format},
                                     {"is_key_frame", is_key},
                                     {"height", format == "jpg" ? 48 : 0},
                                     {"width", format == "jpg" ? 64 : 0},
                                     {"filename", folder_name + sensor + "/" + name + "." + format}});
  }

  void write(bool with_expansion = true) const {
    for (const auto& [name, rows] : tables) write_bytes(folder / "v1.0-mini/" + name + ".json", rows.dump());
    if (with_expansion) write_bytes(folder / "maps/expansion/town.json", map.dump());
  }

  ImportReport import(ImportTablesOptions options = {}) const {
    options.root = folder.path();
    options.cameras = {"CAM_FRONT"};
    return import_nuscenes_tables(folder / "out", options);
  }

  Dataset open(const std::string& list = "all") const {
    const std::vector<ListGroup> lists = {{"all", {folder / "out/" + list + ".txt"}}};
    DatasetOptions options = recorded_options(Dataset(folder / "out/lmdb.txt", lists, {}));
    options.labels.grid = {.x_min = 0, .y_min = -10, .x_max = 20, .y_max = 10, .cell = 0.5};
    return Dataset(folder / "out/lmdb.txt", lists, options);
  }
};

TEST(NuscenesTables, AKeyFrameHasItsPictureBoxesAndMap) {
  NuscenesSet made;
  made.write();
  const ImportReport report = made.import({.classes = {{"solid/yellow", "Yellow"}, {"divider", "Divider"}}});
  EXPECT_EQ(report.frames, 4);
  EXPECT_EQ(report.sequences, 2);
  EXPECT_EQ(report.boxes, 8);
  EXPECT_THAT(report.by_list, ElementsAre(Pair("all", 4), Pair("train", 2), Pair("val", 2)));
  EXPECT_TRUE(report.remarks.empty());
  const Dataset dataset = made.open("val");
  EXPECT_EQ(dataset.entry(0).key, "scene-0103s0");
  const Sample first = dataset.load(0);
  EXPECT_NEAR(first.timestamp, 1500000000, 1e-6);
  EXPECT_NEAR(first.ego_pose.yaw(), std::numbers::pi / 2, 1e-9);
  EXPECT_NEAR(first.points.to_vector()[0], 10, 0.003);
  EXPECT_NEAR(first.points.to_vector()[3], 0.2, 1e-6);
  const Camera& camera = first.cameras[0].camera;
  EXPECT_EQ(camera.fy, 51);
  const auto ahead = project(camera, {21.5, 0, 1.5});
  ASSERT_TRUE(ahead.has_value());
  EXPECT_NEAR(ahead->u, 31.5, 1e-6);
  EXPECT_NEAR(ahead->v, 23.5, 1e-6);

  ASSERT_EQ(first.labels.boxes.size(), 2u);
  const std::vector<std::string>& classes = dataset.options().labels.dynamic_classes;
  const auto class_of = [&](const Box3d& box) { return classes[static_cast<size_t>(box.class_id)]; };
  const Box3d &car = first.labels.boxes[0], &cycle = first.labels.boxes[1];
  EXPECT_EQ(class_of(car), "car");
  EXPECT_NEAR(car.x, 10, 1e-4);
  EXPECT_NEAR(car.y, 0, 1e-4);
  EXPECT_NEAR(car.z, 1, 1e-4);
  EXPECT_NEAR(car.yaw, 0, 1e-5);
  EXPECT_EQ(car.l, 4);
  EXPECT_EQ(car.w, 2);
  EXPECT_NEAR(car.vx, 2, 1e-4) << "by where it is in the next key frame";
  EXPECT_EQ(car.num_lidar_points, 1);
  EXPECT_EQ(first.place, "town");
  ASSERT_TRUE(first.lidar.has_value());
  EXPECT_EQ(*first.lidar, (Vec3{1, 0, 2}));
  EXPECT_GE(car.track, 0);
  EXPECT_GE(cycle.track, 0);
  EXPECT_NE(car.track, cycle.track);
  EXPECT_EQ(class_of(cycle), "riderless_non_motor");
  const std::vector<AttributeKind>& kinds = dataset.options().labels.box_attributes;
  EXPECT_EQ(value_of(car.attributes, 0), find_attribute(kinds, "motion", "parked").value);
  EXPECT_EQ(value_of(cycle.attributes, 4), find_attribute(kinds, "rider", "none").value);
  EXPECT_EQ(value_of(cycle.attributes, 0), -1);
  const Sample later = dataset.load(1);
  ASSERT_EQ(later.labels.boxes.size(), 2u);
  EXPECT_EQ(later.labels.boxes[0].track, car.track);
  EXPECT_NE(cycle.track, car.track);

  const LabelSchema& schema = dataset.options().labels;
  std::map<std::string, std::vector<double>> lanes;
  for (const LabelShape& shape : first.labels.lane_shapes)
    for (Vec2 p : shape.points)
      for (double v : {p.x, p.y})
        lanes[schema.lane_classes[static_cast<size_t>(shape.class_id)]].push_back(std::round(v * 1e3) / 1e3);
  EXPECT_THAT(lanes["Yellow"], ElementsAre(0, 2, 5, 2));
  EXPECT_THAT(lanes["DoubleDashedLine"], ElementsAre(5, 2, 10, 2));
  EXPECT_THAT(lanes["Divider"], ElementsAre(-10, 10, 30, 10)) << "nobody says how a road divider is painted";
  EXPECT_EQ(lanes.size(), 3u) << "NIL is no mark";
  const auto cell = [&](const std::string& name, double x, double y) {
    const auto& names = schema.road_classes;
    const int64_t layer = std::find(names.begin(), names.end(), name) - names.begin();
    const int64_t row = static_cast<int64_t>((y + 10) / 0.5), column = static_cast<int64_t>(x / 0.5);
    return static_cast<int>(first.labels.road.data<const uint8_t>()[(layer * 40 + row) * 40 + column]);
  };
  EXPECT_EQ(cell("Freespace", 3, 3), 1);
  EXPECT_EQ(cell("Freespace", 5, -7.2), 0) << "the island";
  EXPECT_EQ(cell("Crosswalk", 5, -7.2), 1);
  EXPECT_EQ(cell("Stopline", 5, -7.2), 0) << "told, and none is there";
}

TEST(NuscenesTables, SweepsBecomeFramesWithTheNearestPictureAndNoBoxes) {
  NuscenesSet made;
  made.write();
  const ImportReport report = made.import({.sweep_interval = 0.1});
  EXPECT_EQ(report.frames, 12);
  EXPECT_THAT(report.remarks, ElementsAre("2 frames have no picture of camera 'CAM_FRONT'"));
  DatasetOptions options;
  options.load_images = false;
  const Dataset dataset(made.folder / "out/lmdb.txt", {{"val", {made.folder / "out/val.txt"}}}, options);
  EXPECT_NEAR(dataset.frame_period(), 0.1, 1e-6);
  EXPECT_EQ(dataset.entry(1).key, "lidarscene-0103-1");
  EXPECT_TRUE(dataset.load(0).labels.has_boxes);
  EXPECT_FALSE(dataset.load(1).labels.has_boxes);
  EXPECT_NEAR(dataset.load(1).ego_pose.translation().y, 50.2, 1e-9);
}

TEST(NuscenesTables, AnIntervalThinsTheSweepsOut) {
  NuscenesSet made;
  made.write();
  EXPECT_EQ(made.import({.sweep_interval = 0.2}).frames, 2 * 3)
      << "0, 0.2 and 0.5 s: 0.4 s is too near to the key frame";
}

TEST(NuscenesTables, WithoutAnExpansionTheRasterTellsTheDrivableArea) {
  NuscenesSet made;
  made.write(false);
  // 1200 x 900 pixels of 0.1 m: drivable from 90 to 110 m along x and from 40 to 80 m along y.
  std::vector<uint8_t> pixels(1200 * 900);
  for (int r = 0; r < 900; ++r)
    for (int c = 900; c < 1100; ++c) pixels[static_cast<size_t>(r * 1200 + c)] = r >= 100 && r < 500 ? 255 : 0;
  write_bytes(made.folder / "maps/m.png", testing::grey_png(1200, 900, pixels));
  made.import();
  const Dataset dataset = made.open("val");
  EXPECT_THAT(dataset.options().labels.road_classes, ElementsAre("Freespace", "Boundary"));
  const Labels labels = dataset.load(0).labels;
  ASSERT_EQ(labels.road_shapes.size(), 2u);
  double low = 1e9, high = -1e9, left = -1e9;
  for (Vec2 p : labels.road_shapes[1].points) {
    low = std::min(low, p.x);
    high = std::max(high, p.x);
    left = std::max(left, p.y);
  }
  EXPECT_NEAR(low, -10, 1e-4);
  EXPECT_NEAR(high, 30, 1e-4);
  EXPECT_NEAR(left, 10, 1e-4);
}

TEST(NuscenesTables, WhatIsWrongIsNamedByTableRowAndField) {
  struct Case {
    std::function<void(NuscenesSet&)> change;
    std::vector<std::string> texts;
  };
  const std::vector<Case> cases = {
      {[](NuscenesSet& m) { m.tables["sample"][1]["scene_token"] = "?"; },
       {"sample.json: [1].scene_token is no token of scene.json"}},
      {[](NuscenesSet& m) { m.tables["sample_data"][0]["calibrated_sensor_token"] = "?"; },
       {"sample_data.json: [0].calibrated_sensor_token"}},
      {[](NuscenesSet& m) { m.tables["sample_data"][0].erase("filename"); },
       {"sample_data.json: [0] has no entry 'filename'"}},
      {[](NuscenesSet& m) { m.tables["sample_data"][0]["timestamp"] = "now"; },
       {"[0].timestamp is a text, expected a finite number"}},
      {[](NuscenesSet& m) { m.tables["sample_data"][0]["ego_pose_token"] = "?"; },
       {"ego_pose_token of samples/lidar", "ego_pose.json"}},
      {[](NuscenesSet& m) {
         m.tables["ego_pose"][0]["rotation"] = {0, 1, 0, 0};
       },
       {"ego_pose.json: [0].rotation", "180 degrees"}},
      {[](NuscenesSet& m) {
         m.tables["ego_pose"][0]["rotation"] = {0.1, 0, 0, 0};
       },
       {"ego_pose.json: [0].rotation is a quaternion of length 0.1"}},
      {[](NuscenesSet& m) {
         m.tables["sample_annotation"][0]["size"] = {0, 1, 1};
       },
       {"sample_annotation.json: [0].size"}},
      {[](NuscenesSet& m) {
         m.tables["calibrated_sensor"][1]["camera_intrinsic"] = {1, 2, 3};
       },
       {"calibrated_sensor.json: [1].camera_intrinsic"}},
      {[](NuscenesSet& m) { m.tables["sample_data"][0]["filename"] = "samples/none.bin"; },
       {"holds no file 'samples/none.bin'"}},
      {[](NuscenesSet& m) { m.tables["scene"] = 3; }, {"scene.json: expected a list of objects"}},
      {[](NuscenesSet& m) { m.map["lane_divider"][0]["lane_divider_segments"][1]["node_token"] = "?"; },
       {"town.json: lane_divider: [0] names a node"}},
      {[](NuscenesSet& m) { m.map["drivable_area"][0]["polygon_tokens"] = {"?"}; },
       {"drivable_area: [0] names a polygon"}},
      {[](NuscenesSet& m) { m.map["node"][0]["x"] = nullptr; }, {"town.json: node: [0].x is null"}},
  };
  for (const Case& one : cases) {
    NuscenesSet made;
    one.change(made);
    made.write();
    const std::string error = error_of([&] { made.import(); });
    for (const std::string& text : one.texts) EXPECT_THAT(error, HasSubstr(text));
    EXPECT_EQ(error.find('\n'), std::string::npos);
    EXPECT_FALSE(std::filesystem::exists(made.folder / "out"));
  }
  NuscenesSet made;
  made.write();
  write_bytes(made.folder / "v1.0-mini/log.json", "[{\"token\": ");
  EXPECT_THAT(error_of([&] { made.import(); }), HasSubstr("log.json: not JSON: at line 1"));
  std::filesystem::remove(made.folder / "v1.0-mini/log.json");
  EXPECT_THAT(error_of([&] { made.import(); }), HasSubstr("log.json: no such file"));
  EXPECT_THAT(error_of([&] { made.import({.version = "v1.0-trainval"}); }),
              AllOf(HasSubstr("'v1.0-trainval'"), HasSubstr("v1.0-mini")));
}

TEST(NuscenesTables, ScenesGoIntoTheListsOfTheSetsOwnSplit) {
  EXPECT_EQ(nuscenes_list_of("v1.0-mini", "scene-0103"), "val");
  EXPECT_EQ(nuscenes_list_of("v1.0-mini", "scene-0553"), "train");
  EXPECT_EQ(nuscenes_list_of("v1.0-trainval", "scene-0553"), "val");
  EXPECT_EQ(nuscenes_list_of("v1.0-trainval", "scene-0110"), "val");
  EXPECT_EQ(nuscenes_list_of("v1.0-trainval", "scene-0120"), "train");
  EXPECT_EQ(nuscenes_list_of("v1.0-trainval", "scene-1110"), "train");
  EXPECT_EQ(nuscenes_list_of("v1.0-test", "scene-0077"), "");
  EXPECT_EQ(nuscenes_list_of("v1.0-mini", "drive 7"), "");
}

}  // namespace
}  // namespace bevgrad
