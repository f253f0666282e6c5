// Parts by name: the tables, what a wrong name says, and rows that a program adds.
#include "train/parts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "configs/load.h"
#include "models/network.h"
#include "optim/sgd.h"
#include "support/error_of.h"
#include "train/checkpoint/checkpoint.h"
#include "train/options/from_config.h"

namespace bevgrad {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

configs::Document document(const std::vector<std::string>& sets) {
  std::vector<std::string> all = {"train.train_steps=100", "train.finetune_steps=50", "train.base_lr=0.5"};
  all.insert(all.end(), sets.begin(), sets.end());
  return configs::load({.config = "mini_step1", .sets = all});
}

TEST(Parts, TheStandardRowsMakeWhatTheyName) {
  const Parts parts = standard_parts();
  EXPECT_EQ(numbers_of(make_optimizer(document({"train.beta1=0.8"}), parts)->hyperparameters()).at("beta1"), 0.8);
  const Hyperparameters sgd =
      make_optimizer(document({"train.optimizer=SGD", "train.sgd={ momentum: 0.7 nesterov: true }"}), parts)
          ->hyperparameters();
  EXPECT_EQ(numbers_of(sgd).at("momentum"), 0.7);
  EXPECT_EQ(numbers_of(sgd).at("weight_decay"), 0.01);
  const LrSchedule multistep = make_lr_schedule(document({"train.train_milestones=[0.5]"}), parts);
  EXPECT_DOUBLE_EQ(multistep(49), 0.5);
  EXPECT_DOUBLE_EQ(multistep(50), 0.05);
  EXPECT_DOUBLE_EQ(multistep(100), 0.5);
  const LrSchedule cosine = make_lr_schedule(
      document({"train.lr_schedule=cosine", "train.cosine.min_share=0.1", "train.finetune_lr=0.2"}), parts);
  EXPECT_DOUBLE_EQ(cosine(0), 0.5);
  EXPECT_NEAR(cosine(50), 0.275, 1e-12);
  EXPECT_DOUBLE_EQ(cosine(100), 0.2);
}

TEST(Parts, EveryOptimizerAndScheduleIsARow) {
  const Parts parts = standard_parts();
  const auto lr_at = [&](const std::vector<std::string>& sets, int64_t step) {
    return make_lr_schedule(document(sets), parts)(step);
  };
  EXPECT_NEAR(lr_at({"train.lr_schedule=step", "train.step={ step_size: 30 gamma: 0.5 }"}, 61), 0.125, 1e-12);
  EXPECT_NEAR(lr_at({"train.lr_schedule=exponential", "train.exponential.gamma=0.9"}, 2), 0.5 * 0.81, 1e-12);
  EXPECT_NEAR(lr_at({"train.lr_schedule=cosine_restarts", "train.cosine_restarts.period=20"}, 30), 0.25, 1e-12);
  EXPECT_NEAR(lr_at({"train.lr_schedule=one_cycle", "train.one_cycle.div_factor=10"}, 0), 0.05, 1e-12);
  EXPECT_NEAR(lr_at({"train.lr_schedule=polynomial", "train.polynomial.power=2"}, 50), 0.125, 1e-12);
  EXPECT_NEAR(lr_at({"train.lr_schedule=wsd", "train.wsd={ decay_share: 0.4 min_share: 0.5 }"}, 80), 0.375, 1e-12);
  const std::pair<const char*, const char*> rows[] = {
      {"Adam", "betas"}, {"RMSprop", "alpha"}, {"Lion", "betas"}, {"Muon", "ns_steps"}, {"Adafactor", "beta2_decay"}};
  for (const auto& [name, option] : rows) {
    const Hyperparameters options =
        make_optimizer(document({fmt::format("train.optimizer={}", name)}), parts)->hyperparameters();
    EXPECT_TRUE(std::any_of(options.begin(), options.end(), [&](const auto& entry) { return entry.first == option; }))
        << name;
  }
  EXPECT_THAT(testing::error_of([&] { document({"train.muon.momentum=1"}); }), HasSubstr("train.muon.momentum"));
  EXPECT_THAT(testing::error_of([&] { document({"train.step.step_size=0"}); }), HasSubstr("train.step.step_size"));
}

TEST(Parts, AWrongNameListsTheKnownAndTheNearOnes) {
  const Parts parts = standard_parts();
  EXPECT_THAT(testing::error_of([&] { make_optimizer(document({"train.optimizer=AdmaW"}), parts); }),
              AllOf(HasSubstr("--set train.optimizer=AdmaW: field \"train.optimizer\""),
                    HasSubstr("there is no \"AdmaW\", expected one of AdamW, SGD"),
                    HasSubstr("did you mean \"AdamW\", \"Adam\"?")));
  EXPECT_THAT(
      testing::error_of([&] { judge_parts(document({"train.lr_schedule=cosin"}), parts); }),
      AllOf(HasSubstr("field \"train.lr_schedule\""), HasSubstr("did you mean \"cosine\", \"cosine_restarts\"?")));
}

TEST(Parts, ImpossibleOptionsAreRefused) {
  EXPECT_THAT(testing::error_of([&] { document({"train.sgd.momentum=1"}); }),
              HasSubstr("field \"train.sgd.momentum\""));
  EXPECT_THAT(testing::error_of([&] { document({"train.sgd={ momentum: 0 nesterov: true }"}); }),
              HasSubstr("field \"train.sgd.nesterov\""));
  EXPECT_THAT(testing::error_of([&] { document({"train.cosine.min_share=2"}); }), HasSubstr("train.cosine.min_share"));
}

// What the config says reaches the backbone, and a module that it does not name is not built.
TEST(Parts, BackbonesAreMadeAsTheConfigSays) {
  const std::vector<std::string> of_all = {"network.stem_max_pool=true", "tasks.dynamic_task=false"};
  const std::pair<std::vector<std::string>, const char*> rows[] = {
      {{"network.backbone=RegNet", "network.regnet.depths=[1, 1, 2, 1]", "network.regnet.widths=[8, 16, 24, 32]",
        "network.regnet.se_ratio=0"},
       "stage1_backbone0.trunk_output.block3.block3-1.f.c.0"},
      {{"network.backbone=EfficientNetLite", "network.efficientnet_lite={ width: 0.25 depth: 1.4 }"},
       "stage1_backbone2.blocks.5.5.conv_pwl"},
      {{"network.backbone=ConvNeXt", "network.convnext.depths=[1, 1, 2, 1]", "network.convnext.widths=[8, 8, 16, 16]"},
       "stage1_backbone1.features.5.1.block.0"}};
  for (auto [sets, module] : rows) {
    sets.insert(sets.end(), of_all.begin(), of_all.end());
    const configs::Document chosen = document(sets);
    Generator generator(1);
    Network network(configs::network_options(chosen), generator, network_parts(chosen, standard_parts()));
    EXPECT_NE(network.find(module), nullptr) << module;
    EXPECT_EQ(network.find("stage1_backbone0.layer1"), nullptr);
  }
}

TEST(Parts, ABackboneRefusesWhatItCannotBe) {
  const std::pair<std::vector<std::string>, const char*> bad[] = {
      {{"network.backbone=RegNet"}, "field \"network.stem_max_pool\": the layers of RegNet have strides 4 to 32"},
      {{"network.backbone=RegNet", "network.stem_max_pool=true", "network.regnet.widths=[8, 16, 24]"},
       "field \"network.regnet.widths\": 3 values, expected 4"},
      {{"network.backbone=RegNet", "network.stem_max_pool=true", "network.regnet.group_width=16"},
       "field \"network.regnet.widths[1]\": 104 is no multiple of group_width, 16"},
      {{"network.backbone=EfficientNetLite", "network.stem_max_pool=true", "network.efficientnet_lite.depth=0"},
       "network.efficientnet_lite.depth"},
      {{"network.backbone=ConvNeXt", "network.stem_max_pool=true", "network.convnext.depths=[1, 0, 1, 1]"},
       "field \"network.convnext.depths[1]\""},
      {{"network.backbone=RegNetY"}, "did you mean \"RegNet\""}};
  for (const auto& [sets, text] : bad)
    EXPECT_THAT(testing::error_of([&] { judge_parts(document(sets), standard_parts()); }), HasSubstr(text));
}

TEST(Parts, AViewTransformRefusesWhatItCannotBe) {
  const std::pair<std::vector<std::string>, const char*> bad[] = {
      {{"network.view_transform=DeformableAttention", "network.deformable_attention.heads=5"},
       "field \"network.deformable_attention.heads\": 5 heads do not divide network.bev_channels, 32"},
      {{"network.view_transform=DeformableAttention", "network.deformable_attention.points=0"},
       "network.deformable_attention.points"},
      {{"network.view_transform=GKT", "network.gkt.kernel_rows=4"},
       "field \"network.gkt.kernel_rows\": 4 pixels have no middle, expected an odd number"},
      {{"network.view_transform=GKT", "network.gkt.heads=0"}, "network.gkt.heads"}};
  for (const auto& [sets, text] : bad)
    EXPECT_THAT(testing::error_of([&] { judge_parts(document(sets), standard_parts()); }), HasSubstr(text));
}

TEST(Parts, AProgramAddsRows) {
  Parts parts = standard_parts();
  parts.optimizers.push_back(
      {.name = "Plain",
       .make = [](const config::Train&) -> std::unique_ptr<Optimizer> { return std::make_unique<Sgd>(SgdOptions{}); },
       .judge =
           [](const configs::Judge& judge, const config::Config& proto) {
             judge.require(proto.train().weight_decay() == 0, "train.weight_decay", "Plain has none, expected 0");
           }});
  parts.lr_schedules.push_back({.name = "constant", .make = [](const config::Train& train) -> LrSchedule {
                                  return [lr = train.base_lr()](int64_t) { return lr; };
                                }});
  const std::vector<std::string> sets = {"train.optimizer=Plain", "train.lr_schedule=constant"};
  EXPECT_THAT(testing::error_of([&] { judge_parts(document(sets), parts); }),
              HasSubstr("field \"train.weight_decay\": Plain has none"));
  const configs::Document good =
      document({"train.optimizer=Plain", "train.lr_schedule=constant", "train.weight_decay=0"});
  EXPECT_EQ(numbers_of(make_optimizer(good, parts)->hyperparameters()).at("momentum"), 0);
  EXPECT_DOUBLE_EQ(make_lr_schedule(good, parts)(99), 0.5);
}

}  // namespace
}  // namespace bevgrad
