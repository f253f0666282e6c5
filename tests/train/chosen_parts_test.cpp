// Runs with every backbone and view transform: step 1 learns, step 2 goes on from it with frozen, cached features.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "train/tiny_run.h"
#include "train/trainer.h"

namespace bevgrad {
namespace {

struct Choice {
  std::vector<std::string> sets;
  const char* learns;  ///< a parameter of the part
};

std::vector<Choice> choices() {
  std::vector<std::string> coarse = {"network.stem_max_pool=true"};
  for (int group = 0; group < 3; ++group) coarse.push_back(fmt::format("sensors.groups[{}].taps=[1,2,3]", group));
  std::vector<Choice> all = {
      {{"network.backbone=RegNet", "network.regnet.depths=[1, 2, 1, 1]", "network.regnet.widths=[8, 8, 16, 16]"},
       "stage1_backbone0.trunk_output.block1.block1-0.f.se.fc1.weight"},
      {{"network.backbone=EfficientNetLite", "network.efficientnet_lite={ width: 0.2 depth: 0.5 }"},
       "stage1_backbone0.conv_stem.weight"},
      {{"network.backbone=ConvNeXt", "network.convnext.depths=[1, 1, 2, 1]", "network.convnext.widths=[8, 8, 12, 16]"},
       "stage1_backbone0.features.0.0.weight"}};
  for (Choice& choice : all) choice.sets.insert(choice.sets.end(), coarse.begin(), coarse.end());
  all.push_back(
      {{"network.view_transform=DeformableAttention"}, "view_transfer.layers.0.cross_attn.value_proj.weight"});
  all.push_back({{"network.lidar.dynamic=true"}, "lidar_vfe.pfn_layers.0.linear.weight"});
  all.push_back({{"network.view_transform=GKT"}, "view_transfer.v_proj.weight"});
  return all;
}

std::unique_ptr<Trainer> make_trainer(const configs::Document& document, const std::string& work_dir,
                                      const std::string& pretrain = "") {
  static const std::unique_ptr<ProcessGroup> group = make_single_process_group();
  return std::make_unique<Trainer>(
      document,
      TrainerOptions{.work_dir = TinyData::get().path(work_dir), .resume = "", .pretrain = pretrain, .quiet = true},
      *group);
}

std::map<std::string, std::vector<double>> values_of(Network& network) {
  std::map<std::string, std::vector<double>> values;
  for (const auto& [name, tensor] : network.named_parameters()) values[name] = tensor.to_vector();
  return values;
}

TEST(ChosenParts, LearnInStepOneAndStayInStepTwo) {
  for (const Choice& choice : choices()) {
    SCOPED_TRACE(choice.sets[0]);
    std::vector<std::string> sets = choice.sets;
    sets.insert(sets.end(), {"train.train_steps=2", "train.warmup_steps=0", "train.base_lr=1e-3"});
    auto one = make_trainer(TinyData::get().document("mini_step1", sets), "chosen_one");
    const auto before = values_of(one->network());
    ASSERT_TRUE(before.contains(choice.learns));
    one->run();
    EXPECT_NE(values_of(one->network()).at(choice.learns), before.at(choice.learns));

    sets = choice.sets;
    sets.insert(sets.end(), {"train.finetune_steps=3", "train.base_lr=1e-3", "feature_cache.storage=float32",
                             "feature_cache.dir=" + TinyData::get().path("chosen_cache")});
    const auto losses = [&](const std::string& cached) {
      sets.push_back("feature_cache.enabled=" + cached);
      auto two = make_trainer(TinyData::get().document("mini_step2_static", sets), "chosen_two_" + cached,
                              TinyData::get().path("chosen_one") + "/step1.ckpt");
      const auto start = values_of(two->network());
      std::vector<double> result;
      for (int i = 0; i < 3; ++i) result.push_back(two->step().loss);
      EXPECT_EQ(values_of(two->network()).at(choice.learns), start.at(choice.learns));
      return result;
    };
    const std::vector<double> computed = losses("false");
    for (const double loss : computed) EXPECT_TRUE(std::isfinite(loss));
    EXPECT_EQ(losses("true"), computed);
  }
}

}  // namespace
}  // namespace bevgrad
