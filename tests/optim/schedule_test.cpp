// The figures of the learning rate and of freezing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "formats/convert/name_map.h"
#include "nn/module.h"
#include "optim/cosine.h"
#include "optim/freezing.h"
#include "optim/multistep.h"
#include "support/paths.h"

namespace bevgrad {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(MultistepGammaLr, StepTwoOfTheSource) {
  const MultistepSchedule schedule =
      get_multistep_gamma_lr({.train = {0, 0}, .finetune = {milestone_step(0.65, 75000), milestone_step(0.9, 75000)}},
                             0, 75000, 0.1, {2e-4, 2e-4});
  EXPECT_THAT(schedule.milestones, ElementsAre(48750, 67500));
  ASSERT_EQ(schedule.lrs.size(), 3u);
  EXPECT_DOUBLE_EQ(schedule.lr_at(0), 2e-4);  // milestones of a phase without steps do not lower it
  EXPECT_DOUBLE_EQ(schedule.lr_at(48749), 2e-4);
  EXPECT_DOUBLE_EQ(schedule.lr_at(48750), 2e-5);
  EXPECT_DOUBLE_EQ(schedule.lr_at(67499), 2e-5);
  EXPECT_NEAR(schedule.lr_at(67500), 2e-6, 1e-18);
  EXPECT_NEAR(schedule.lr_at(74999), 2e-6, 1e-18);
}

TEST(MultistepGammaLr, StepOne) {
  const MultistepSchedule schedule =
      get_multistep_gamma_lr({.train = {milestone_step(0.65, 125000), milestone_step(0.9, 125000)}, .finetune = {0, 0}},
                             125000, 0, 0.1, {2e-4, 1});
  EXPECT_THAT(schedule.milestones, ElementsAre(81250, 112500));
  EXPECT_DOUBLE_EQ(schedule.lrs.front(), 2e-4);
}

TEST(MultistepGammaLr, TwoPhasesFollowOneAnother) {
  const MultistepSchedule schedule =
      get_multistep_gamma_lr({.train = {60, 100}, .finetune = {20}}, 100, 50, 0.5, {1.0, 0.2});
  EXPECT_THAT(schedule.milestones, ElementsAre(60, 100, 120));
  EXPECT_THAT(schedule.lrs, ElementsAre(1.0, 0.5, 0.2, 0.1));
}

TEST(MultistepGammaLr, Refuses) {
  EXPECT_THROW(get_multistep_gamma_lr({{}, {}}, 0, 0, 0.1, {1, 1}), UsageError);
  EXPECT_THROW(get_multistep_gamma_lr({{5, 3}, {}}, 10, 0, 0.1, {1, 1}), UsageError);
  EXPECT_THROW(get_multistep_gamma_lr({{-1}, {}}, 10, 0, 0.1, {1, 1}), UsageError);
}

TEST(MultistepGammaLr, AMilestoneAtThePhasesEndFallsAway) {
  const MultistepSchedule schedule = get_multistep_gamma_lr({.train = {10}, .finetune = {3, 20}}, 10, 20, 0.5, {1, 1});
  EXPECT_THAT(schedule.milestones, ElementsAre(10, 13));
  EXPECT_THAT(schedule.lrs, ElementsAre(1.0, 1.0, 0.5));
}

TEST(MultistepGammaLr, MilestonesAtOneStepFallTogether) {
  const MultistepSchedule schedule =
      get_multistep_gamma_lr({.train = {4, 4}, .finetune = {0, 6}}, 8, 10, 0.5, {1.0, 1.0});
  EXPECT_THAT(schedule.milestones, ElementsAre(4, 8, 14));
  EXPECT_THAT(schedule.lrs, ElementsAre(1.0, 0.25, 0.5, 0.25));
}

TEST(MultistepGammaLr, EveryMilestoneMultipliesOnceMore) {
  const MultistepSchedule schedule =
      get_multistep_gamma_lr({.train = {1, 2, 3}, .finetune = {}}, 9, 0, 0.1, {1.0, 7.0});
  for (int64_t step = 0; step < 9; ++step)
    EXPECT_NEAR(schedule.lr_at(step), std::pow(0.1, std::min<int64_t>(step, 3)), 1e-15) << step;
}

TEST(MultistepGammaLr, BothPhasesAreJudged) {
  EXPECT_THROW(get_multistep_gamma_lr({{}, {5, 3}}, 0, 10, 0.1, {1, 1}), UsageError);
  EXPECT_THROW(get_multistep_gamma_lr({{}, {-1}}, 0, 10, 0.1, {1, 1}), UsageError);
  EXPECT_THROW(get_multistep_gamma_lr({}, -1, 10, 0.1, {1, 1}), UsageError);
  EXPECT_THROW(get_multistep_gamma_lr({}, 10, -1, 0.1, {1, 1}), UsageError);
}

TEST(MilestoneStep, UpToOneIsAShareRoundedAboveItAStep) {
  EXPECT_EQ(milestone_step(0.65, 10), 7);  // 6.5
  EXPECT_EQ(milestone_step(0.64, 10), 6);
  EXPECT_EQ(milestone_step(1.0, 30), 30);
  EXPECT_EQ(milestone_step(2, 30), 2);
  EXPECT_EQ(milestone_step(40, 30), 40);
  EXPECT_EQ(milestone_step(0.5, 0), 0);
}

TEST(Cosine, FollowsPyTorch) {
  std::ifstream stream(testing::source_dir() + "/tests/golden/train/cosine.json");
  const nlohmann::json golden = nlohmann::json::parse(stream);
  const auto rates = golden["rates"].get<std::vector<double>>();
  const double lr = golden["lr"];
  const LrSchedule schedule = cosine_lr({{std::ssize(rates), lr}}, golden["min_share"]);
  for (size_t i = 0; i < rates.size(); ++i) EXPECT_NEAR(schedule(static_cast<int64_t>(i)), rates[i], 1e-14) << i;
}

TEST(Cosine, PhasesFollowOneAnother) {
  const LrSchedule schedule = cosine_lr({{10, 1.0}, {0, 7.0}, {20, 0.5}}, 0.1);
  EXPECT_DOUBLE_EQ(schedule(0), 1.0);
  EXPECT_NEAR(schedule(5), 0.55, 1e-15);
  EXPECT_GT(schedule(9), 0.1);
  EXPECT_DOUBLE_EQ(schedule(10), 0.5);
  EXPECT_NEAR(schedule(20), 0.275, 1e-15);
  EXPECT_DOUBLE_EQ(schedule(30), 0.05);
  EXPECT_DOUBLE_EQ(schedule(1000), 0.05);
}

TEST(Cosine, APhaseWithoutStepsAtTheEndLeavesNoTrace) {
  const LrSchedule schedule = cosine_lr({{10, 2.0}, {0, 7.0}}, 0.25);
  EXPECT_DOUBLE_EQ(schedule(10), 0.5);
  EXPECT_DOUBLE_EQ(schedule(50), 0.5);
}

TEST(Warmup, RisesInEqualSteps) {
  for (int64_t step = 0; step < 8; ++step)
    EXPECT_DOUBLE_EQ(warmup_factor(step, 5), std::min(1.0, 0.2 * static_cast<double>(step + 1))) << step;
}

TEST(Warmup, RisesToOne) {
  EXPECT_DOUBLE_EQ(warmup_factor(0, 500), 1.0 / 500);
  EXPECT_DOUBLE_EQ(warmup_factor(499, 500), 1.0);
  EXPECT_DOUBLE_EQ(warmup_factor(500, 500), 1.0);
  EXPECT_DOUBLE_EQ(warmup_factor(0, 0), 1.0);
}

TEST(Wildcard, Matches) {
  EXPECT_TRUE(matches_wildcard("stage1_backbone0", "stage1_backbone*"));
  EXPECT_TRUE(matches_wildcard("stage1_backbone3", "stage1_backbone?"));
  EXPECT_TRUE(matches_wildcard("", "*"));
  EXPECT_TRUE(matches_wildcard("aXXbYYbZc", "a*b*c"));
  EXPECT_FALSE(matches_wildcard("stage1_backbone0", "stage1_backbone"));
  EXPECT_FALSE(matches_wildcard("ac", "a*b"));
  EXPECT_FALSE(matches_wildcard("a", ""));
}

struct Leaf : Module {
  Tensor weight = register_parameter("weight", ones({2}));
};
struct Branch : Module {
  Leaf conv, bn;
  Branch() {
    register_module("conv", conv);
    register_module("bn", bn);
  }
};
struct Tree : Module {
  Branch stage1_backbone0, stage1_backbone1;
  Leaf fuser;
  Tree() {
    register_module("stage1_backbone0", stage1_backbone0);
    register_module("stage1_backbone1", stage1_backbone1);
    register_module("fuser", fuser);
  }
};

TEST(FreezeSchedule, HoldsForItsStepsAndThaws) {
  Tree tree;
  FreezeSchedule schedule(tree, {{"stage1_backbone*", 75000}, {"fuser", 10}});
  EXPECT_TRUE(schedule.apply(0));
  EXPECT_THAT(schedule.frozen_modules(), ElementsAre("fuser", "stage1_backbone0", "stage1_backbone1"));
  EXPECT_TRUE(trainable_parameters(tree).empty());
  EXPECT_TRUE(tree.stage1_backbone0.bn.frozen());
  EXPECT_FALSE(schedule.apply(9));
  EXPECT_TRUE(schedule.apply(10));
  EXPECT_EQ(trainable_parameters(tree).size(), 1u);
  EXPECT_TRUE(tree.stage1_backbone1.conv.frozen());
  EXPECT_FALSE(schedule.apply(74999));
  EXPECT_TRUE(schedule.apply(75000));
  EXPECT_EQ(trainable_parameters(tree).size(), 5u);
  EXPECT_FALSE(tree.stage1_backbone1.conv.frozen());
}

TEST(FreezeSchedule, AnUnknownNameListsTheNearOnes) {
  Tree tree;
  try {
    FreezeSchedule schedule(tree, {{"fusr", 10}});
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("no module matches \"fusr\", did you mean \"fuser\"?"));
  }
  EXPECT_THROW(FreezeSchedule(tree, {{"stage2*", 10}}), UsageError);
  EXPECT_NO_THROW(FreezeSchedule(tree, {{"lidar_vfe", 10}}, {"lidar_vfe"}));
}

struct Alike : Module {
  Branch neck, neck1;
  Leaf neck10;
  Alike() {
    register_module("neck", neck);
    register_module("neck1", neck1);
    register_module("neck10", neck10);
  }
};

TEST(FreezeSchedule, NamesThatBeginAlikeAreTheirOwn) {
  Alike tree;
  FreezeSchedule schedule(tree, {{"neck*", 5}});
  schedule.apply(0);
  EXPECT_THAT(schedule.frozen_modules(), ElementsAre("neck", "neck1", "neck10"));
  EXPECT_TRUE(trainable_parameters(tree).empty());
  Alike other;
  FreezeSchedule one(other, {{"neck1", 5}});
  one.apply(0);
  EXPECT_THAT(one.frozen_modules(), ElementsAre("neck1"));
  EXPECT_EQ(trainable_parameters(other).size(), 3u);
}

TEST(FreezeSchedule, AnEntryThatHasEndedDoesNotThawWhatAnotherFreezes) {
  for (const bool is_long_first : {false, true}) {
    Tree tree;
    std::vector<std::pair<std::string, int64_t>> entries = {{"stage1_*", 3}, {"stage1_backbone1", 6}, {"fuser", 6}};
    if (is_long_first) std::swap(entries[0], entries[2]);
    FreezeSchedule schedule(tree, entries);
    EXPECT_TRUE(schedule.apply(0));
    EXPECT_THAT(schedule.frozen_modules(), ElementsAre("fuser", "stage1_backbone0", "stage1_backbone1"));
    EXPECT_FALSE(schedule.apply(2));
    EXPECT_TRUE(schedule.apply(3));
    EXPECT_THAT(schedule.frozen_modules(), ElementsAre("fuser", "stage1_backbone1"));
    EXPECT_EQ(trainable_parameters(tree).size(), 2u);
    EXPECT_FALSE(schedule.apply(5));
    EXPECT_TRUE(schedule.apply(6));
    EXPECT_TRUE(schedule.frozen_modules().empty());
    EXPECT_EQ(trainable_parameters(tree).size(), 5u);
  }
}

TEST(FreezeSchedule, WithoutEntriesOnlyTheFirstCallIsAChange) {
  Tree tree;
  FreezeSchedule schedule(tree, {});
  EXPECT_TRUE(schedule.apply(0));
  EXPECT_FALSE(schedule.apply(1));
  EXPECT_EQ(trainable_parameters(tree).size(), 5u);
}

TEST(FreezeSchedule, WhatIsSwitchedOffExcusesItsOwnNameAlone) {
  Tree tree;
  EXPECT_THROW(FreezeSchedule(tree, {{"lidar_neck", 10}}, {"lidar_vfe"}), UsageError);
  EXPECT_NO_THROW(FreezeSchedule(tree, {{"lidar_*", 10}}, {"lidar_vfe"}));
}

}  // namespace
}  // namespace bevgrad
