#include "data/generate.h"

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "data/dataset.h"
#include "made_data.h"

namespace bevgrad {
namespace {

using testing::error_of;
using ::testing::HasSubstr;
using testing::TemporaryFolder;

GenerateOptions tiny(uint64_t seed = 7) {
  GenerateOptions options;
  options.dataset.groups = {{"front", {"front"}, 32, 64}};
  Camera camera = testing::small_camera(CameraKind::Pinhole, 64, 32);
  options.scene.cameras = {{"front", camera}};
  options.scene.lidar.points = 1500;
  options.scene.drive.frames = 4;
  options.scene.drive.drop_rate = 0;
  options.scene.ground_cell = 0.2;
  options.sequences = 5;
  options.val_sequences = 2;
  options.seed = seed;
  options.threads = 2;
  return options;
}

std::map<std::string, std::string> all_records(const std::string& path) {
  LmdbStore store(path);
  std::map<std::string, std::string> records;
  for (const std::string& key : store.keys())
    store.read(key, [&](std::span<const uint8_t> bytes) { records[key].assign(bytes.begin(), bytes.end()); });
  return records;
}

TEST(Generate, WritesADatasetThatLoads) {
  TemporaryFolder folder;
  ASSERT_TRUE(generate_dataset(folder / "data", tiny()));
  Dataset train(folder / "data/lmdb.txt", {{"online", {folder / "data/train.txt"}}}, tiny().dataset);
  EXPECT_EQ(train.size(), 12);
  EXPECT_EQ(train.streams().size(), 3u);
  Dataset val(folder / "data/lmdb.txt",
              {{"street", {folder / "data/val_street.txt"}}, {"parking", {folder / "data/val_parking.txt"}}},
              tiny().dataset);
  EXPECT_EQ(val.size(), 8);
  Sample sample = val.load(7);
  EXPECT_EQ(sample.dataset, "parking");
  EXPECT_TRUE(sample.labels.visibility.defined());
  EXPECT_TRUE(sample.labels.has_boxes && sample.labels.has_instances);
  EXPECT_GT(sample.points.size(0), 100);
  EXPECT_EQ(read_info_list(folder / "data/val.txt").size(), 8u);
}

TEST(Generate, TheManifestSaysThatSplitsAreDisjoint) {
  TemporaryFolder folder;
  generate_dataset(folder / "data", tiny());
  std::ifstream in(folder / "data/manifest.json");
  auto manifest = nlohmann::json::parse(in);
  std::map<std::string, std::set<std::string>> layouts;
  for (const auto& drive : manifest.at("drives")) layouts[drive.at("split")].insert(drive.at("digest"));
  EXPECT_EQ(layouts["train"].size(), 3u);
  EXPECT_EQ(layouts["val"].size(), 2u);
  for (const std::string& digest : layouts["val"]) EXPECT_FALSE(layouts["train"].contains(digest));
}

TEST(Generate, TheNumberOfThreadsChangesNothing) {
  TemporaryFolder folder;
  GenerateOptions options = tiny();
  generate_dataset(folder / "two", options);
  options.threads = 1;
  generate_dataset(folder / "one", options);
  options.seed = 8;
  generate_dataset(folder / "other", options);
  EXPECT_EQ(all_records(folder / "one/lmdb/train"), all_records(folder / "two/lmdb/train"));
  EXPECT_NE(all_records(folder / "one/lmdb/train"), all_records(folder / "other/lmdb/train"));
}

TEST(Generate, LeavesNothingBehindWhenItIsStopped) {
  TemporaryFolder folder;
  GenerateOptions options = tiny();
  options.progress = [](const GenerateProgress& progress) { return progress.sequences < 2; };
  EXPECT_FALSE(generate_dataset(folder / "data", options));
  EXPECT_TRUE(std::filesystem::is_empty(folder / ""));
}

TEST(Generate, RefusesWhatCannotBe) {
  TemporaryFolder folder;
  GenerateOptions options = tiny();
  options.val_sequences = 9;
  EXPECT_THAT(error_of([&] { generate_dataset(folder / "data", options); }), HasSubstr("val_sequences is 9"));
  std::filesystem::create_directories(folder / "full");
  write_lines(folder / "full/note.txt", {"x"});
  EXPECT_THAT(error_of([&] { generate_dataset(folder / "full", tiny()); }), HasSubstr("already exists"));
  EXPECT_THROW(generate_dataset(folder / "full", tiny()), UsageError);
}

}  // namespace
}  // namespace bevgrad
