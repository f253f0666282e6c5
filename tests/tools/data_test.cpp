// `bevgrad import-av2` and `bevgrad data`, from a log on the disk to what a person sees of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "support/paths.h"
#include "support/temporary_folder.h"
#include "train/tiny_run.h"

namespace bevgrad {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::TemporaryFolder;

struct Outcome {
  int status = -1;
  std::string text;  // of both streams
};

Outcome bevgrad(const std::string& arguments) {
  FILE* pipe = popen((testing::bevgrad_binary() + " " + arguments + " 2>&1").c_str(), "r");
  Outcome outcome;
  char buffer[4096];
  for (size_t count; (count = fread(buffer, 1, sizeof buffer, pipe)) > 0;) outcome.text.append(buffer, count);
  outcome.status = WEXITSTATUS(pclose(pipe));
  return outcome;
}

TEST(DataCommands, ALogIsImportedCountedCheckedDrawnAndSplit) {
  TemporaryFolder folder;
  const std::string data = folder / "data";
  const Outcome import = bevgrad("import-av2 " + testing::source_dir() +
                                 "/tests/golden/data/av2_like --map-class boundary=Curb --out " + data);
  ASSERT_EQ(import.status, 0) << import.text;
  EXPECT_THAT(import.text, AllOf(HasSubstr("3 frames of 1 logs"), HasSubstr("3 STROLLER")));
  const Outcome info = bevgrad("data info --json --data " + data);
  ASSERT_EQ(info.status, 0) << info.text;
  const auto json = nlohmann::json::parse(info.text);
  EXPECT_EQ(json["records"], 3);
  EXPECT_EQ(json["cameras"].size(), 2u);
  EXPECT_NEAR(json["sets"][0]["period"].get<double>(), 0.1, 1e-9);
  EXPECT_EQ(json["classes"]["dynamic"]["car"]["items"], 3);
  EXPECT_EQ(json["classes"]["lane"]["DashedLine"]["frames"], 3);
  EXPECT_EQ(json["classes"]["road"]["Curb"]["frames"], 3);
  EXPECT_THAT(bevgrad("data info --data " + data).text, HasSubstr("10.00 Hz"));
  const Outcome check = bevgrad("data check --data " + data);
  EXPECT_EQ(check.status, 0) << check.text;
  EXPECT_THAT(check.text, HasSubstr("nothing is wrong"));
  const Outcome draw = bevgrad("data draw --pictures 2 --animate 2 --data " + data + " --out " + (folder / "pictures"));
  ASSERT_EQ(draw.status, 0) << draw.text;
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder / "pictures"), {}), 3);
  // Three frames of one street, 1 m apart.
  EXPECT_EQ(bevgrad("data split --data " + data + " --out " + (folder / "lists")).status, 1);
  const Outcome split = bevgrad("data split --margin 0.5 --val 0.4 --data " + data + " --out " + (folder / "lists"));
  ASSERT_EQ(split.status, 0) << split.text;
  EXPECT_EQ(bevgrad("data split --margin 0.5 --data " + data + " --out " + (folder / "lists")).status, 2)
      << "they are there";
  const Outcome overlap = bevgrad("data split --within 0.2 --data " + data + " --overlap " +
                                  (folder / "lists/train.txt") + " " + (folder / "lists/val.txt"));
  EXPECT_THAT(overlap.text, HasSubstr("no two frames within 0 m"));
}

TEST(DataCommands, VoxelsLabelsACopy) {
  const TemporaryFolder folder;
  const std::string data = folder / "data";
  ASSERT_EQ(bevgrad("import-av2 " + testing::source_dir() + "/tests/golden/data/av2_like --out " + data).status, 0);
  const std::string arguments = "data voxels --config mini_step1 --data " + data + " --out ";
  const Outcome made = bevgrad(arguments + (folder / "voxels"));
  ASSERT_EQ(made.status, 0) << made.text;
  EXPECT_THAT(made.text, AllOf(HasSubstr("3 of 3 records have voxels"), HasSubstr("car "), HasSubstr("road "),
                               HasSubstr("free ")));
  ASSERT_EQ(bevgrad(arguments + (folder / "again")).status, 0);
  EXPECT_EQ(read_file(folder / "voxels/lmdb/frames/data.mdb"), read_file(folder / "again/lmdb/frames/data.mdb"));
  EXPECT_EQ(read_file(folder / "voxels/all.txt"), read_file(data + "/all.txt"));
  const auto info = nlohmann::json::parse(bevgrad("data info --json --data " + (folder / "voxels")).text);
  EXPECT_EQ(info["records"], 3);
  EXPECT_EQ(bevgrad(arguments + (folder / "voxels")).status, 2) << "it is there";
  const Outcome none =
      bevgrad("data voxels --config mini_step1 --data " + (folder / "none") + " --out " + (folder / "x"));
  EXPECT_EQ(none.status, 2);
  EXPECT_FALSE(std::filesystem::exists(folder / "x"));
}

TEST(DataCommands, WhatATrainingWouldRefuseIsStatus1) {
  std::string arguments = "data check --config mini_step2_static --data " + TinyData::get().root();
  for (const std::string& set : tiny_settings()) arguments += " --set '" + set + "'";
  const Outcome sound = bevgrad(arguments);
  EXPECT_EQ(sound.status, 0) << sound.text;
  EXPECT_THAT(sound.text, AllOf(HasSubstr("online: history of 0.2 s found for"), HasSubstr("val: ")));
  const Outcome never = bevgrad(arguments + " --set 'temporal.intervals=[0.2, 5]' --json");
  EXPECT_EQ(never.status, 1);
  const auto json = nlohmann::json::parse(never.text);
  EXPECT_EQ(json[0]["findings"][0]["severity"], "error");
  EXPECT_THAT(json[0]["findings"][0]["what"].get<std::string>(), HasSubstr("5 s (temporal.match_tol"));
}

TEST(DataCommands, DrawsWhatATrainingSees) {
  const testing::TemporaryFolder folder;
  std::string arguments = "data draw --pictures 1 --config mini_step2_static --data " + TinyData::get().root();
  for (const std::string& set : tiny_settings()) arguments += " --set '" + set + "'";
  const auto picture = [&](const std::string& more, const std::string& name) {
    const Outcome draw = bevgrad(arguments + more + " --out " + (folder / name));
    EXPECT_EQ(draw.status, 0) << draw.text;
    return read_file(std::filesystem::directory_iterator(folder / name)->path().string());
  };
  const std::string changes = " --set augmentation.ground.mirror=1 --set augmentation.ground.yaw=20";
  const std::string plain = picture("", "plain"), first = picture(changes + " --augment", "first");
  EXPECT_EQ(picture(changes, "without"), plain);
  EXPECT_NE(first, plain);
  EXPECT_EQ(picture(changes + " --augment --epoch 0", "again"), first);
  EXPECT_NE(picture(changes + " --augment --epoch 1", "second"), first);
  const Outcome nothing = bevgrad(arguments + " --augment --out " + (folder / "nothing"));
  EXPECT_EQ(nothing.status, 2);
  EXPECT_THAT(nothing.text, HasSubstr("\"augmentation\": it changes nothing"));
}

TEST(DataCommands, MistakesAreStatus2) {
  EXPECT_EQ(bevgrad("data").status, 2);
  EXPECT_THAT(bevgrad("data check").text, HasSubstr("expected --data FOLDER or --config"));
  EXPECT_EQ(bevgrad("data info --data /nowhere").status, 2);
  EXPECT_EQ(bevgrad("data draw --data /nowhere --out x").status, 2);
  EXPECT_THAT(bevgrad("import-av2 /nowhere --out x").text, HasSubstr("no such folder"));
}

}  // namespace
}  // namespace bevgrad
