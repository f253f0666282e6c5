// Runs with some of the sensors: LiDAR alone, cameras alone, records that lack pictures.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <string>
#include <vector>

#include "data/lmdb_store.h"
#include "data/record.pb.h"
#include "formats/hdf5/tensor_file.h"
#include "support/paths.h"
#include "support/temporary_folder.h"
#include "tensor/ops.h"
#include "train/tiny_run.h"

namespace bevgrad {
namespace {

using ::testing::HasSubstr;
using testing::TemporaryFolder;

struct Outcome {
  int status = -1;
  std::string text;  // of both streams
};

Outcome bevgrad(std::string command, const std::vector<std::string>& sets) {
  for (const std::string& set : tiny_settings()) command += " --set '" + set + "'";
  for (const std::string& set : sets) command += " --set '" + set + "'";
  FILE* pipe = popen((testing::bevgrad_binary() + " " + command + " 2>&1").c_str(), "r");
  Outcome outcome;
  char buffer[4096];
  for (size_t count; (count = fread(buffer, 1, sizeof buffer, pipe)) > 0;) outcome.text.append(buffer, count);
  outcome.status = WEXITSTATUS(pclose(pipe));
  return outcome;
}

/// Trains three steps and validates.
void expect_to_run(const std::string& folder, const std::vector<std::string>& sets) {
  const Outcome trained = bevgrad("run --config mini_step1 --threads 1 --work-dir " + folder + "/work", sets);
  ASSERT_EQ(trained.status, 0) << trained.text;
  const Outcome validated = bevgrad("run --config mini_step1 --threads 1 --state val --ckpt " + folder +
                                        "/work/step1.ckpt --work-dir " + folder + "/val",
                                    sets);
  ASSERT_EQ(validated.status, 0) << validated.text;
  EXPECT_THAT(validated.text, HasSubstr("IoU per class"));
}

TEST(SensorSets, LidarAloneTrainsValidatesAndPredicts) {
  TemporaryFolder folder;
  const std::vector<std::string> sets = {"data.root=" + TinyData::get().root(), "train.train_steps=3",
                                         "sensors.groups=[]"};
  expect_to_run(folder.path(), sets);
  Hdf5Writer inputs(folder / "inputs.h5");
  Generator generator(1);
  for (int i = 0; i < 2; ++i) inputs.write("points/" + std::to_string(i), generator.uniform({50, 4}, 0, 1));
  inputs.commit();
  const Outcome predicted = bevgrad("predict --config mini_step1 --ckpt " + (folder / "work/step1.ckpt") +
                                        " --inputs " + (folder / "inputs.h5") + " --outputs " + (folder / "outputs.h5"),
                                    sets);
  ASSERT_EQ(predicted.status, 0) << predicted.text;
  EXPECT_EQ(Hdf5Reader(folder / "outputs.h5").sizes("lane_logits")[0], 2);
}

TEST(SensorSets, CamerasAloneTrainAndValidate) {
  TemporaryFolder folder;
  expect_to_run(folder.path(),
                {"data.root=" + TinyData::get().root(), "train.train_steps=3", "tasks.enable_lidar=false"});
}

TEST(SensorSets, ARecordThatLacksAPictureIsNoReasonToDropIt) {
  TemporaryFolder folder;
  std::filesystem::copy(TinyData::get().root(), folder / "data", std::filesystem::copy_options::recursive);
  std::filesystem::remove_all(folder / "data/lmdb");
  for (const std::string store : {"train", "val"}) {
    const LmdbStore whole(TinyData::get().root() + "/lmdb/" + store);
    LmdbWriter writer(folder / "data/lmdb/" + store);
    for (const std::string& key : whole.keys())
      whole.read(key, [&](std::span<const uint8_t> bytes) {
        records::Sample sample;
        sample.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
        sample.mutable_cameras()->RemoveLast();
        writer.put(key, sample.SerializeAsString());
      });
    writer.finish();
  }
  expect_to_run(folder.path(), {"data.root=" + (folder / "data"), "train.train_steps=3"});
  const Outcome check = bevgrad("data check --config mini_step1", {"data.root=" + (folder / "data")});
  EXPECT_THAT(check.text, HasSubstr("is in none of"));
}

}  // namespace
}  // namespace bevgrad
