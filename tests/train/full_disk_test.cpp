// A disk that refuses what a training can do without.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "base/files.h"
#include "train/logging/disk_watch.h"
#include "train/tiny_run.h"
#include "train/trainer.h"

namespace bevgrad {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

size_t count(const std::string& text, const std::string& what) {
  size_t found = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++found;
  return found;
}

TEST(DiskWatch, SaysEachKindOnce) {
  std::vector<std::string> said;
  DiskWatch disk([&](const std::string& text) { said.push_back(text); });
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(disk.attempt("numbers", "the run goes on", [] { fail("a.csv: no room"); }));
  EXPECT_TRUE(disk.attempt("numbers", "the run goes on", [] {}));
  EXPECT_FALSE(disk.attempt("pictures", "without pictures", [] { fs::resize_file("/no/such/file", 1); }));
  EXPECT_EQ(said.size(), 2u);
  EXPECT_EQ(said[0], "a.csv: no room; the run goes on");
}

/// Six steps with a validation and a checkpoint after every second one; `obstruct` spoils the work folder before the
/// first. Returns what was said.
std::string run_in(const std::string& work_dir, const std::function<void()>& obstruct) {
  const std::vector<std::string> sets = {"train.train_steps=6", "train.val_interval=2", "train.checkpoint_metric=miou",
                                         "eval.max_samples=4",  "train.log_interval=1", "train.checkpoint_interval=2"};
  const std::unique_ptr<ProcessGroup> group = make_single_process_group();
  testing::internal::CaptureStderr();
  {
    Trainer trainer(TinyData::get().document("mini_step1", sets),
                    {.work_dir = work_dir, .resume = "", .pretrain = "", .quiet = true}, *group);
    obstruct();
    trainer.run();
  }
  EXPECT_EQ(load_checkpoint(work_dir + "/checkpoints/step_00000006.h5").global_step, 6) << work_dir;
  return testing::internal::GetCapturedStderr();
}

TEST(FullDisk, NumbersThatCannotBeWrittenAreSaidOnce) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "SKIPPED: there is no /dev/full";
  for (const std::string file : {"scalars.csv", "scalars.jsonl", "train.log"}) {
    const std::string work_dir = TinyData::get().path("full_" + file);
    fs::create_directories(work_dir);
    fs::create_symlink("/dev/full", work_dir + "/" + file);
    const std::string said = run_in(work_dir, [] {});
    EXPECT_EQ(count(said, "disk full?"), 1u) << said;
    EXPECT_THAT(said, AllOf(HasSubstr(file + ": "), HasSubstr("the run goes on")));
  }
}

TEST(FullDisk, PicturesProfilesAndTheBestWeightsDoNotEndTheRun) {
  // Folders in the way of files: nothing can be written there, whoever runs the test.
  const std::string work_dir = TinyData::get().path("in_the_way");
  const std::string said = run_in(work_dir, [&] {
    fs::create_directories(work_dir + "/checkpoints/best.h5/x");
    for (const int step : {2, 4, 6}) {
      const std::string folder = fmt::format("{}/val_{:08}", work_dir, step);
      fs::create_directories(folder + "/metrics.json/x");
      write_text_file(folder + "/pictures", "a file where a folder should be");
    }
  });
  EXPECT_EQ(count(said, "warning: "), 2u) << said;
  EXPECT_THAT(said, AllOf(HasSubstr("files of this validation are missing"),
                          HasSubstr("the best weights on the disk are older: none")));
}

// A checkpoint that fails beside the training, and one that can be written again.
TEST(FullDisk, CheckpointsGoOnWithTheLastWholeOne) {
  const std::string work_dir = TinyData::get().path("no_room");
  const std::unique_ptr<ProcessGroup> group = make_single_process_group();
  Trainer trainer(TinyData::get().document("mini_step1", {"train.train_steps=60", "train.checkpoint_interval=1",
                                                          "train.keep_checkpoints=50"}),
                  {.work_dir = work_dir,
                   .resume = "",
                   .pretrain = "",
                   .quiet = true,
                   .on_saved =
                       [](int64_t step) {
                         if (step > 3 && step < 50) fail("step_{}: no room (is the disk full?)", step);
                       }},
                  *group);
  testing::internal::CaptureStderr();
  trainer.run();
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_EQ(count(said, "disk full?"), 1u) << said;
  EXPECT_THAT(said, HasSubstr("the run goes on, the last checkpoint is"));
}

}  // namespace
}  // namespace bevgrad
