// From the config to the learning rate of each step, and what a step of several batches is.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "optim/lr_schedule.h"
#include "train/parts.h"
#include "train/tiny_run.h"
#include "train/trainer.h"

namespace bevgrad {
namespace {

configs::Document document(const std::vector<std::string>& sets) {
  return TinyData::get().document("mini_step1", sets);
}

std::unique_ptr<Trainer> make_trainer(const std::vector<std::string>& sets, const std::string& name) {
  static const std::unique_ptr<ProcessGroup> group = make_single_process_group();
  TrainerOptions options;
  options.work_dir = TinyData::get().path("schedules_" + name);
  options.quiet = true;
  return std::make_unique<Trainer>(document(sets), options, *group);
}

const std::vector<std::string> kTwoPhases = {"train.train_steps=10", "train.finetune_steps=20", "train.base_lr=1",
                                             "train.finetune_lr=0.25", "train.gamma=0.5"};

std::vector<std::string> two_phases(const std::vector<std::string>& more) {
  std::vector<std::string> sets = kTwoPhases;
  sets.insert(sets.end(), more.begin(), more.end());
  return sets;
}

TEST(Schedules, MilestonesBelongToTheirPhaseAsSharesOrSteps) {
  const LrSchedule rate =
      make_lr_schedule(document(two_phases({"train.train_milestones=[0.5, 0.8]", "train.finetune_milestones=[4, 15]"})),
                       standard_parts());
  for (int64_t step = 0; step < 30; ++step) {
    const double expected = step < 5    ? 1.0
                            : step < 8  ? 0.5
                            : step < 10 ? 0.25
                            : step < 14 ? 0.25
                            : step < 25 ? 0.125
                                        : 0.0625;
    EXPECT_DOUBLE_EQ(rate(step), expected) << step;
  }
  const LrSchedule shares = make_lr_schedule(
      document(two_phases({"train.train_milestones=[9]", "train.finetune_milestones=[0.5]"})), standard_parts());
  EXPECT_DOUBLE_EQ(shares(8), 1);
  EXPECT_DOUBLE_EQ(shares(9), 0.5);
  EXPECT_DOUBLE_EQ(shares(19), 0.25);
  EXPECT_DOUBLE_EQ(shares(20), 0.125);
}

TEST(Schedules, WithoutARateOfItsOwnFineTuningHasTheBases) {
  const LrSchedule rate = make_lr_schedule(
      document(two_phases({"train.finetune_lr=0", "train.base_lr=0.5", "train.finetune_milestones=[0.9]"})),
      standard_parts());
  EXPECT_DOUBLE_EQ(rate(10), 0.5);
  const auto phases = lr_phases(document(two_phases({"train.finetune_lr=0.003"})).proto.train());
  ASSERT_EQ(phases.size(), 2u);
  EXPECT_EQ(phases[0].steps, 10);
  EXPECT_EQ(phases[0].lr, 1);
  EXPECT_EQ(phases[1].steps, 20);
  EXPECT_EQ(phases[1].lr, 0.003);
}

TEST(Schedules, ACosineFallsToItsShareInBothPhases) {
  const LrSchedule rate = make_lr_schedule(
      document(two_phases({"train.lr_schedule=cosine", "train.cosine.min_share=0.2"})), standard_parts());
  for (int64_t step = 0; step < 30; ++step) {
    const double lr = step < 10 ? 1 : 0.25;
    const double done = step < 10 ? static_cast<double>(step) / 10 : static_cast<double>(step - 10) / 20;
    EXPECT_NEAR(rate(step), lr * (0.2 + 0.8 * (1 + std::cos(M_PI * done)) / 2), 1e-12) << step;
  }
}

TEST(Schedules, AStepReportsRateTimesWarmupTimesTheFactorOfTheRanks) {
  for (const bool is_scaled : {false, true}) {
    auto trainer =
        make_trainer({"train.train_steps=4", "train.finetune_steps=3", "train.base_lr=1e-4", "train.finetune_lr=3e-4",
                      "train.gamma=0.5", "train.train_milestones=[3]", "train.finetune_milestones=[2]",
                      "train.warmup_steps=3", std::string("train.lr_scaling=") + (is_scaled ? "sqrt" : "none")},
                     is_scaled ? "scaled" : "unscaled");
    // One rank where eight are the reference.
    const double factor = is_scaled ? std::sqrt(1.0 / 8) : 1;
    const double expected[] = {1e-4 / 3, 2e-4 / 3, 1e-4, 0.5e-4, 3e-4, 3e-4, 1.5e-4};
    for (int64_t step = 0; step < 7; ++step) {
      const StepReport report = trainer->step();
      EXPECT_EQ(report.step, step);
      EXPECT_NEAR(report.lr, factor * expected[step], 1e-12) << step;
    }
  }
}

TEST(Schedules, EachPhaseHasItsOwnNumberOfCases) {
  auto trainer = make_trainer({"train.train_steps=2", "train.finetune_steps=4", "train.num_train_cases=4",
                               "train.num_finetune_cases=6", "train.batch_size=2"},
                              "cases");
  for (int i = 0; i < 2; ++i) trainer->step();
  EXPECT_EQ(trainer->checkpoint().epoch, 1);  // 4 of 4
  for (int i = 0; i < 3; ++i) trainer->step();
  EXPECT_EQ(trainer->checkpoint().epoch, 1);  // 10 of 6
}

}  // namespace
}  // namespace bevgrad
