#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "drawing/animation.h"
#include "drawing/drive_recorder.h"
#include "drawing/example.h"
#include "drawing/palette.h"
#include "drawing/stitched_map.h"
#include "evaluation/geojson.h"
#include "internal/picture_file.h"
#include "support/temporary_folder.h"

namespace bevgrad {
namespace {

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(Animation, IsOnePngWithAllFrames) {
  const testing::TemporaryFolder folder;
  const std::filesystem::path path = folder / "animation.png";
  Animation animation(path.string());
  for (int i = 0; i < 3; ++i) {
    Canvas canvas(60, 40, kPaper);
    canvas.fill({i * 10.0, 10, 20, 20}, kMissed);
    animation.add(canvas, 0.1);
  }
  EXPECT_THROW(animation.add(Canvas(61, 40, kPaper), 0.1), Error);
  animation.finish();
  const std::string bytes = read(path);
  const auto count = [&](const std::string& what) {
    int n = 0;
    for (size_t at = bytes.find(what); at != std::string::npos; at = bytes.find(what, at + 1)) ++n;
    return n;
  };
  EXPECT_EQ(count("IHDR"), 1);
  EXPECT_EQ(count("fcTL"), 3);
  EXPECT_GE(count("fdAT"), 2);
  EXPECT_EQ(bytes[bytes.find("acTL") + 7], 3);  // frames, big endian
  EXPECT_FALSE(std::filesystem::exists(path.string() + ".part"));
}

TEST(Animation, LeavesNothingHalfWritten) {
  const testing::TemporaryFolder folder;
  const std::filesystem::path path = folder / "none.png";
  {
    Animation animation(path.string());
    animation.add(Canvas(6, 4, kPaper), 0.1);
  }
  Animation empty(path.string());
  empty.finish();
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_FALSE(std::filesystem::exists(path.string() + ".part"));
  EXPECT_THROW(Animation("/proc/none/x.png"), Error);
}

TEST(StitchedMap, LaysFramesIntoTheWorld) {
  LabelSchema labels;
  StitchedMap map(labels);
  const LabelGrid& grid = labels.grid;
  LabelRaster road(4, grid.rows(), grid.columns(), 0);
  // A wall across the road, 20.1 m ahead of the first frame: it comes nearer as the vehicle drives north.
  for (int i = 0; i < 5; ++i) {
    LabelRaster lane(9, grid.rows(), grid.columns(), 0);
    std::fill(road.values.begin(), road.values.end(), 0);
    const auto column = static_cast<int64_t>(std::lround((20.1 - 2 * i - grid.x_min) / grid.cell - 0.5));
    for (int64_t r = 0; r < grid.rows(); ++r) road.at(0, r, column) = 1;
    map.add(lane, road, Pose::from_yaw(100, 50 + 2 * i, 0, M_PI / 2));
  }
  EXPECT_EQ(map.at({100.1, 70.1}).class_id, 9);  // the first road class, after nine lane classes
  EXPECT_EQ(map.at({100.1, 70.1}).seen, 5);
  EXPECT_EQ(map.at({100.1, 65.1}).class_id, -1);
  EXPECT_EQ(map.at({300, 70}).seen, 0);
  const Canvas picture = map.draw(600);
  EXPECT_GT(picture.width(), 300);
  EXPECT_GT(StitchedMap(labels).draw().width(), 100);
}

TEST(StitchedMap, StopsAtItsLimit) {
  LabelSchema labels;
  StitchedMap map(labels, 2);
  const ProbabilityRaster lane(9, labels.grid.rows(), labels.grid.columns(), 0.0f);
  map.add(lane, {}, 0.5f, 0.5f, Pose());
  EXPECT_TRUE(map.truncated());
}

TEST(GeoJson, GivesBothFrames) {
  const std::vector<LaneVector> lanes = {{1, 0.75, {{1, 2}, {3, 2}}}};
  const std::vector<std::string> names = {"SolidLine", "DoubleSolidLine"};
  const auto ego = nlohmann::json::parse(lanes_geojson(lanes, names, "7/3"));
  EXPECT_EQ(ego["type"], "FeatureCollection");
  EXPECT_EQ(ego["features"][0]["geometry"]["type"], "LineString");
  EXPECT_EQ(ego["features"][0]["geometry"]["coordinates"][1][0], 3.0);
  EXPECT_EQ(ego["features"][0]["properties"]["class"], "DoubleSolidLine");
  const auto map = nlohmann::json::parse(lanes_geojson(lanes, names, "7/3", Pose::from_yaw(10, 20, 1, M_PI / 2)));
  EXPECT_EQ(map["features"][0]["geometry"]["coordinates"][0][0], 8.0);   // 10 - 2
  EXPECT_EQ(map["features"][0]["geometry"]["coordinates"][0][1], 21.0);  // 20 + 1
  EXPECT_EQ(map["frame"], "map");
}

/// Frames of an animated PNG: the second number of its acTL chunk.
int frames_of(const std::string& png) {
  const size_t at = png.find("acTL");
  return at == std::string::npos ? 0 : static_cast<uint8_t>(png[at + 7]);
}

TEST(DriveRecorder, PlaysSequencesSideBySide) {
  const testing::TemporaryFolder folder;
  SamplePicture picture = example_picture();
  picture.cameras.clear();
  {
    DriveRecorder recorder(folder.path(), {}, {.side_by_side = 2});
    for (int i = 0; i < 6; ++i) {
      picture.frame.sequence = i % 2;
      picture.frame.key = std::to_string(i);
      picture.frame.timestamp = 10 + 0.1 * (i / 2);
      recorder.add(picture, i == 1);
    }
    recorder.finish();
    EXPECT_EQ(recorder.pictures(), 1);
    EXPECT_EQ(recorder.first_pictures().at("online"), folder / "pictures/online/1.png");
  }
  // Three frames a sequence at ten a second; the animation shows five a second.
  EXPECT_EQ(frames_of(read(folder / "drives/online_0.png")), 2);
  EXPECT_EQ(frames_of(read(folder / "drives/online_1.png")), 2);
  EXPECT_TRUE(std::filesystem::exists(folder / "lanes/online/5.map.geojson"));
}

TEST(PictureFile, OtherNamesHaveOtherFiles) {
  std::set<std::string> files;
  const std::vector<std::string> names = {"雨天",
                                          "夜间",
                                          "a/b",
                                          "a_b",
                                          "a b",
                                          "a:b",
                                          "",
                                          ".",
                                          "..",
                                          "_",
                                          "../a",
                                          "a/../b",
                                          "a\nb",
                                          "\xff",
                                          "\xfe",
                                          std::string(500, 'x'),
                                          std::string(501, 'x')};
  for (const auto& name : names) {
    files.insert(picture_file(name, "key"));
    files.insert(picture_file("set", name));
    files.insert(drive_stem(name, "1"));
    files.insert(lanes_stem("set", name));
  }
  // A text cannot be made to look like another one's name.
  for (const auto& name : names) files.insert(picture_file(sample_name(name), "other"));
  files.insert(drive_stem("a", "1_2")), files.insert(drive_stem("a_1", "2")), files.insert(drive_stem("a", "1/2"));
  EXPECT_EQ(files.size(), 5 * names.size() + 3);
  for (const auto& file : files) {
    EXPECT_EQ(std::count(file.begin(), file.end(), '/'), file.starts_with("drives") ? 1 : 2) << file;
    for (const auto& part : std::filesystem::path(file)) {
      EXPECT_LE(part.string().size(), 255u) << file;
      EXPECT_NE(part.string().front(), '.') << file;
    }
  }
  EXPECT_EQ(picture_file("雨天", "s1/000024/0019"), "pictures/雨天/s1_000024_0019.png");
  EXPECT_EQ(drive_stem("val_set", "1-24"), "drives/val_set_1-24");
}

TEST(DriveRecorder, ValSetsOfOneSequenceHaveFilesOfTheirOwn) {
  const testing::TemporaryFolder folder;
  SamplePicture picture = example_picture();
  picture.cameras.clear();
  picture.features.clear();
  DriveRecorder recorder(folder.path(), {}, {.side_by_side = 2});
  for (const char* set : {"雨天", "夜间", "a b", "a:b"}) {
    picture.frame.val_set = set;
    recorder.add(picture);
  }
  recorder.finish();
  for (const auto& [name, count] : {std::pair{"drives", 4 * 3}, {"pictures", 4}, {"lanes", 4 * 2}}) {
    int files = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder / name))
      files += entry.is_regular_file();
    EXPECT_EQ(files, count) << name;
  }
}

TEST(DriveRecorder, WritesADrivesFiles) {
  const testing::TemporaryFolder folder;
  SamplePicture picture = example_picture();
  picture.cameras.clear();
  picture.features.clear();
  {
    DriveRecorder recorder(folder.path(), {});
    for (int i = 0; i < 3; ++i) {
      picture.frame.sequence = i < 2 ? 12 : 13;
      picture.frame.key = fmt::format("{}/{}", picture.frame.sequence, i);
      picture.frame.ego_pose = Pose::from_yaw(2.0 * i, 0, 0, 0);
      recorder.add(picture);
    }
    recorder.finish();
  }
  for (const char* file :
       {"pictures/online/12_1.png", "pictures/online/13_2.png", "drives/online_12.png", "drives/online_12_map.png",
        "drives/online_13_label_map.png", "lanes/online/12_0.ego.geojson", "lanes/online/13_2.map.geojson"})
    EXPECT_TRUE(std::filesystem::exists(folder / file)) << file;
  const auto ego = nlohmann::json::parse(read(folder / "lanes/online/13_2.ego.geojson"));
  const auto map = nlohmann::json::parse(read(folder / "lanes/online/13_2.map.geojson"));
  EXPECT_NEAR(map["features"][0]["geometry"]["coordinates"][0][0].get<double>() -
                  ego["features"][0]["geometry"]["coordinates"][0][0].get<double>(),
              4, 1e-9);
  EXPECT_THROW(DriveRecorder("/proc/none/x", {}), Error);
}

}  // namespace
}  // namespace bevgrad
