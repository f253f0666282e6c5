// Which checkpoints stay: by number, by age, and as the best of the validations.
#include "train/checkpoint/retention.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>

#include "base/error.h"
#include "train/tiny_run.h"
#include "train/trainer.h"

namespace bevgrad {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::vector<StoredCheckpoint> kFive = {{10, 50}, {20, 40}, {30, 30}, {40, 20}, {50, 10}};

TEST(Retention, ByNumber) {
  EXPECT_THAT(disposable_checkpoints(kFive, {.keep = 2}), ElementsAre(30, 20, 10));
  EXPECT_THAT(disposable_checkpoints(kFive, {.keep = 9}), IsEmpty());
  EXPECT_THAT(disposable_checkpoints({{7, 1}}, {.keep = 1}), IsEmpty());
  EXPECT_THAT(disposable_checkpoints({}, {.keep = 1}), IsEmpty());
}

TEST(Retention, ByAge) {
  EXPECT_THAT(disposable_checkpoints(kFive, {.keep = 9, .max_age_hours = 25}), ElementsAre(30, 20, 10));
  EXPECT_THAT(disposable_checkpoints(kFive, {.keep = 1, .max_age_hours = 25}), ElementsAre(40, 30, 20, 10));
}

// However old it is, and whatever a clock that was set back says: the step decides which is newest.
TEST(Retention, TheNewestAlwaysStays) {
  EXPECT_THAT(disposable_checkpoints(kFive, {.keep = 9, .max_age_hours = 1}), ElementsAre(40, 30, 20, 10));
  EXPECT_THAT(disposable_checkpoints({{50, 99}, {10, 0.1}}, {.keep = 1, .max_age_hours = 1}), ElementsAre(10));
}

TEST(Retention, TheBestAlwaysStay) {
  EXPECT_THAT(disposable_checkpoints(kFive, {.keep = 1, .max_age_hours = 1, .best_steps = {10, 30}}),
              ElementsAre(40, 20));
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

std::unique_ptr<Trainer> make_trainer(const configs::Document& document, const std::string& work_dir,
                                      const std::string& resume = "") {
  static const std::unique_ptr<ProcessGroup> group = make_single_process_group();
  return std::make_unique<Trainer>(
      document, TrainerOptions{.work_dir = work_dir, .resume = resume, .pretrain = "", .quiet = true}, *group);
}

TEST(Retention, ATrainingKeepsTheBestValidationsCheckpoints) {
  // A learning rate of nearly nothing: all validations are equal, so the earliest are the best.
  const configs::Document document = TinyData::get().document(
      "mini_step1", {"train.train_steps=10", "train.base_lr=1e-12", "train.val_interval=2",
                     "train.checkpoint_metric=miou", "train.checkpoint_interval=3", "train.keep_checkpoints=1",
                     "train.keep_best_checkpoints=2", "eval.max_samples=4", "eval.eval_with_visualize=false"});
  const std::string work_dir = TinyData::get().path("keep_best");
  make_trainer(document, work_dir)->run();
  EXPECT_THAT(names_in(work_dir + "/checkpoints"),
              ElementsAre("best.h5", "step_00000002.h5", "step_00000004.h5", "step_00000010.h5"));
  EXPECT_EQ(load_checkpoint(work_dir + "/checkpoints/step_00000004.h5").global_step, 4);
  // What stays is known to a run that goes on.
  fs::remove(work_dir + "/checkpoints/step_00000010.h5");
  const auto resumed = make_trainer(document, work_dir, "auto");
  EXPECT_EQ(resumed->global_step(), 4);
  resumed->step();
  resumed->save();
  resumed->step();
  resumed->save();
  EXPECT_THAT(names_in(work_dir + "/checkpoints"),
              ElementsAre("best.h5", "step_00000002.h5", "step_00000004.h5", "step_00000006.h5"));
}

TEST(Retention, OldCheckpointsGo) {
  const configs::Document document = TinyData::get().document(
      "mini_step1", {"train.train_steps=5", "train.keep_checkpoints=9", "train.checkpoint_max_age_hours=1"});
  const std::string work_dir = TinyData::get().path("keep_young");
  const auto trainer = make_trainer(document, work_dir);
  for (int i = 0; i < 3; ++i) {
    trainer->step();
    const std::string path = trainer->save();
    if (i == 0) fs::last_write_time(path, fs::file_time_type::clock::now() - std::chrono::hours(2));
  }
  EXPECT_THAT(names_in(work_dir + "/checkpoints"), ElementsAre("step_00000002.h5", "step_00000003.h5"));
}

TEST(Retention, TheBestNeedAMetric) {
  try {
    TinyData::get().document("mini_step1", {"train.keep_best_checkpoints=2"});
    FAIL() << "expected a UsageError";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), testing::AllOf(HasSubstr("train.keep_best_checkpoints"), HasSubstr("checkpoint_metric")));
  }
}

}  // namespace
}  // namespace bevgrad
