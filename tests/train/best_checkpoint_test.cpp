// Validation while training: the best checkpoint, the early stop, and what goes into the event file.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/signals.h"
#include "tensor/ops.h"
#include "train/tiny_run.h"
#include "train/trainer.h"

namespace bevgrad {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::unique_ptr<Trainer> make_trainer(const configs::Document& document, const std::string& work_dir,
                                      const std::string& resume = "") {
  static const std::unique_ptr<ProcessGroup> group = make_single_process_group();
  TrainerOptions options;
  options.work_dir = work_dir;
  options.resume = resume;
  options.quiet = true;
  return std::make_unique<Trainer>(document, options, *group);
}

/// Six steps, a validation of four frames after every second one.
configs::Document watched(const std::vector<std::string>& more = {}) {
  std::vector<std::string> sets = {"train.train_steps=6", "train.val_interval=2", "train.checkpoint_metric=miou",
                                   "eval.max_samples=4", "eval.animations=false"};
  sets.insert(sets.end(), more.begin(), more.end());
  return TinyData::get().document("mini_step1", sets);
}

std::string text_of(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

bool same_tensors(const StateDict& a, const StateDict& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    const Tensor x = ops::contiguous(detach(a[i].second)), y = ops::contiguous(detach(b[i].second));
    if (a[i].first != b[i].first || x.nbytes() != y.nbytes() ||
        std::memcmp(x.raw_data(), y.raw_data(), x.nbytes()) != 0)
      return false;
  }
  return true;
}

TEST(BestCheckpoint, IsKeptBesideTheRollingOnes) {
  const std::string work_dir = TinyData::get().path("best");
  make_trainer(watched({"train.checkpoint_interval=2", "train.keep_checkpoints=1"}), work_dir)->run();
  ASSERT_TRUE(fs::exists(work_dir + "/best.ckpt"));
  const Checkpoint best = load_checkpoint(work_dir + "/checkpoints/best.h5");
  EXPECT_EQ(best.validation.at("last_step"), static_cast<double>(best.global_step));
  EXPECT_EQ(best.validation.at("best_step"), static_cast<double>(best.global_step));
  const Checkpoint last = load_checkpoint(work_dir + "/checkpoints/step_00000006.h5");
  EXPECT_EQ(last.validation.at("miou"), best.validation.at("miou"));
  EXPECT_EQ(last.validation.at("last_step"), 6);  // the last weights were judged too
  for (const int step : {2, 4, 6}) {
    const std::string folder = fmt::format("{}/val_{:08}", work_dir, step);
    EXPECT_TRUE(fs::exists(folder + "/metrics.json"));
  }
  // It is no newest checkpoint, and a new run sets it aside.
  make_trainer(watched(), work_dir);
  EXPECT_FALSE(fs::exists(work_dir + "/best.ckpt"));
  EXPECT_TRUE(fs::exists(work_dir + "/checkpoints.1/best.ckpt"));
  EXPECT_TRUE(fs::exists(work_dir + "/checkpoints.1/best.h5"));
}

TEST(BestCheckpoint, EarlyStopEndsTheRunAndStaysEnded) {
  // A learning rate of nearly nothing: the first validation is the best one.
  const std::vector<std::string> sets = {"train.base_lr=1e-12",       "train.train_steps=40",
                                         "train.val_interval=1",      "train.early_stop_patience=2",
                                         "train.checkpoint_mode=min", "train.checkpoint_metric=lane_miou"};
  const std::string work_dir = TinyData::get().path("early");
  auto trainer = make_trainer(watched(sets), work_dir);
  trainer->run();
  const int64_t stopped = trainer->global_step();
  EXPECT_LT(stopped, 40);
  EXPECT_TRUE(fs::exists(work_dir + "/step1.ckpt"));
  EXPECT_THAT(text_of(work_dir + "/train.log"), HasSubstr(fmt::format("stopped early after step {}", stopped)));
  trainer.reset();  // a work folder is one run's
  auto again = make_trainer(watched(sets), work_dir, "auto");
  again->run();
  EXPECT_EQ(again->global_step(), stopped);
}

TEST(BestCheckpoint, AResumedRunKeepsBestAndPatience) {
  const std::vector<std::string> sets = {"train.checkpoint_interval=3", "train.early_stop_patience=4"};
  const std::string whole_dir = TinyData::get().path("watch_whole"), parts_dir = TinyData::get().path("watch_parts");
  make_trainer(watched(sets), whole_dir)->run();
  {
    // Stopped after step 3 by a process that dies.
    auto first = make_trainer(watched(sets), parts_dir);
    first->run();
    fs::remove(parts_dir + "/checkpoints/step_00000006.h5");
  }
  make_trainer(watched(sets), parts_dir, "auto")->run();
  const Checkpoint whole = load_checkpoint(whole_dir + "/checkpoints/step_00000006.h5");
  const Checkpoint parts = load_checkpoint(parts_dir + "/checkpoints/step_00000006.h5");
  EXPECT_EQ(whole.validation, parts.validation);
  EXPECT_TRUE(same_tensors(whole.state_dict, parts.state_dict));
  EXPECT_TRUE(same_tensors(load_checkpoint(whole_dir + "/checkpoints/best.h5").state_dict,
                           load_checkpoint(parts_dir + "/checkpoints/best.h5").state_dict));
}

TEST(BestCheckpoint, AStopInAValidationDoesItAgain) {
  const std::string work_dir = TinyData::get().path("watch_stopped");
  const configs::Document document = watched();
  {
    auto trainer = make_trainer(document, work_dir);
    trainer->step();
    trainer->step();
    trainer->save();  // as a run does that is stopped in the validation after step 2
  }
  make_trainer(document, work_dir, "auto")->run();
  EXPECT_TRUE(fs::exists(work_dir + "/val_00000002/metrics.json"));
}

TEST(BestCheckpoint, MistakesAreNamed) {
  const std::string work_dir = TinyData::get().path("watch_mistakes");
  EXPECT_THROW(make_trainer(watched({"train.checkpoint_metric=mio"}), work_dir), UsageError);
  EXPECT_THROW(watched({"train.val_interval=0"}), UsageError);
  EXPECT_THROW(watched({"train.checkpoint_metric=", "train.early_stop_patience=1"}), UsageError);
  EXPECT_THROW(watched({"data.val=[]"}), UsageError);
}

TEST(TensorBoard, HoldsHistogramsAndPictures) {
  const std::string work_dir = TinyData::get().path("events");
  make_trainer(watched({"train.train_steps=2", "train.histogram_interval=2"}), work_dir)->run();
  std::string events;
  for (const auto& entry : fs::directory_iterator(work_dir))
    if (entry.path().filename().string().starts_with("events.out.tfevents")) events += text_of(entry.path().string());
  EXPECT_THAT(events, HasSubstr("weights/fuser.0.weight"));
  EXPECT_THAT(events, HasSubstr("gradients/fuser.0.weight"));
  EXPECT_THAT(events, HasSubstr("val/miou"));
  EXPECT_THAT(events, HasSubstr("\x89PNG"));
}

TEST(TemporalDebug, DrawsEveryIntervalIntoItsFolder) {
  const std::string folder = TinyData::get().path("debug");
  auto trainer = make_trainer(
      TinyData::get().document("mini_step2_static", {"train.finetune_steps=9", "temporal.visualize_interval=2",
                                                     "temporal.debug_dir=" + folder}),
      TinyData::get().path("debug_run"));
  for (int i = 0; i < 3; ++i) trainer->step();
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  EXPECT_THAT(names, testing::UnorderedElementsAre("step_00000000.png", "step_00000002.png"));
}

}  // namespace
}  // namespace bevgrad
