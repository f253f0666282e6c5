// A task of one's own (docs/adding_a_task.md) through a whole run: trained, cached, resumed, judged, drawn.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"
#include "support/paths.h"
#include "train/covered_cells.h"
#include "train/network_state.h"
#include "train/parts.h"
#include "train/tiny_run.h"
#include "train/trainer.h"

namespace bevgrad {
namespace {

using ::testing::HasSubstr;

Parts parts_with_the_example() {
  Parts parts = standard_parts();
  parts.tasks.push_back(covered_cells_task());
  return parts;
}

ProcessGroup& alone() {
  static const std::unique_ptr<ProcessGroup> group = make_single_process_group();
  return *group;
}

std::unique_ptr<Trainer> make_trainer(const configs::Document& document, const std::string& work_dir,
                                      const TrainerOptions& more = {}) {
  TrainerOptions options = more;
  options.work_dir = work_dir;
  options.quiet = true;
  return std::make_unique<Trainer>(document, options, alone(), parts_with_the_example());
}

std::vector<std::string> settings(int steps, const std::vector<std::string>& more = {}) {
  std::vector<std::string> sets = {fmt::format("train.train_steps={}", steps), "train.finetune_steps=0"};
  sets.insert(sets.end(), more.begin(), more.end());
  return sets;
}

TEST(ATaskOfOnesOwn, IsTrainedJudgedAndDrawn) {
  const std::string work_dir = TinyData::get().path("covered");
  const configs::Document document = TinyData::get().document(
      "mini_step1", settings(2, {"train.val_interval=2", "train.checkpoint_metric=covered_iou"}));
  auto trainer = make_trainer(document, work_dir);
  const Stage* stage = trainer->network().stage_of("bev_covered_head.out.weight");
  ASSERT_NE(stage, nullptr);
  EXPECT_FALSE(stage->is_encoder);
  trainer->run();
  EXPECT_THAT(read_file(work_dir + "/train.log"), HasSubstr("covered/focal"));
  const std::string results = work_dir + "/val_00000002";
  const auto metrics = nlohmann::json::parse(read_file(results + "/metrics.json"));
  EXPECT_TRUE(metrics.at("headline").contains("covered_iou"));
  EXPECT_EQ(metrics.at("tables").back().at("name"), "covered_iou");
  EXPECT_TRUE(std::filesystem::exists(results + "/covered_iou.csv"));
  EXPECT_TRUE(std::filesystem::exists(work_dir + "/best.ckpt"));
}

TEST(ATaskOfOnesOwn, ResumesBitForBit) {
  const configs::Document document = TinyData::get().document("mini_step1", settings(4));
  const auto weights = [](Trainer& trainer) {
    return trainer.network().find("bev_covered_head.hidden.conv")->named_parameters()[0].second.to_vector();
  };
  auto unbroken = make_trainer(document, TinyData::get().path("covered_unbroken"));
  for (int i = 0; i < 4; ++i) unbroken->step();
  const std::string work_dir = TinyData::get().path("covered_broken");
  std::string saved;
  {
    auto first = make_trainer(document, work_dir);
    for (int i = 0; i < 2; ++i) first->step();
    saved = first->save();
  }
  TrainerOptions options;
  options.resume = "auto";
  auto resumed = make_trainer(document, work_dir, options);
  for (int i = 0; i < 2; ++i) resumed->step();
  EXPECT_EQ(weights(*resumed), weights(*unbroken));
}

TEST(ATaskOfOnesOwn, IsNoPartOfTheEncoderThatIsCached) {
  const configs::Document document = TinyData::get().document(
      "mini_step1",
      settings(
          2, {"feature_cache.enabled=true", "feature_cache.dir=" + TinyData::get().path("covered_cache"),
              "train.freeze_module_schedules=[]", "train.freeze_module_schedules[0]={ module: \"stage1_*\" steps: 9 }",
              "train.freeze_module_schedules[1]={ module: \"view_transfer\" steps: 9 }",
              "train.freeze_module_schedules[2]={ module: \"lidar_*\" steps: 9 }",
              "train.freeze_module_schedules[3]={ module: \"fuser\" steps: 9 }"}));
  auto trainer = make_trainer(document, TinyData::get().path("covered_cached"));
  bool has_term = false;
  for (const auto& [name, value] : trainer->step().terms) has_term |= name == "covered/dice";
  EXPECT_TRUE(has_term);
}

// Every block of code in the document stands in the example's file.
TEST(ATaskOfOnesOwn, TheDocumentShowsThisCode) {
  const std::string code = read_file(testing::source_dir() + "/tests/train/covered_cells.cpp");
  const std::string document = read_file(testing::source_dir() + "/docs/adding_a_task.md");
  int blocks = 0;
  for (size_t at = document.find("```cpp\n"); at != std::string::npos; at = document.find("```cpp\n", at)) {
    at += 7;
    const size_t end = document.find("```", at);
    EXPECT_THAT(code, HasSubstr(document.substr(at, end - at)));
    ++blocks;
    at = end + 3;
  }
  EXPECT_GE(blocks, 4);
}

}  // namespace
}  // namespace bevgrad
