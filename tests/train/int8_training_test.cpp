// Fine-tuning with the rounding of 8 bits.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "nn/conv.h"
#include "nn/eight_bits.h"
#include "tensor/ops.h"
#include "train/tiny_run.h"
#include "train/trainer.h"

namespace bevgrad {
namespace {

std::vector<std::string> with_ranges(std::vector<std::string> sets, double limit) {
  sets.push_back("int8.on=true");
  int index = 0;
  for (const char* name : {"fuser.0", "bev_static_temporal_fusion.fusion_conv.0", "bev_static_head.trunk.0.conv1",
                           "bev_static_head.up1.conv", "bev_static_head.lane"})
    sets.push_back(fmt::format("int8.convs[{}]={{ name: \"{}\" input: {} input_signed: true output: {} }}", index++,
                               name, limit, limit));
  return sets;
}

std::unique_ptr<Trainer> trainer(const std::vector<std::string>& sets, const std::string& folder) {
  static const std::unique_ptr<ProcessGroup> group = make_single_process_group();
  return std::make_unique<Trainer>(
      TinyData::get().document("mini_step2_static", sets),
      TrainerOptions{.work_dir = TinyData::get().path(folder), .resume = "", .pretrain = "", .quiet = true}, *group);
}

std::vector<double> losses(const std::vector<std::string>& sets, const std::string& folder) {
  const auto run = trainer(sets, folder);
  std::vector<double> values;
  for (int i = 0; i < 3; ++i) values.push_back(run->step().loss);
  for (const auto& [name, value] : run->network().state_dict())
    EXPECT_TRUE(!is_floating_point(value.dtype()) || ops::all_finite(value)) << name;
  return values;
}

TEST(Int8Training, TheLossIsThatOfTheRoundedNetwork) {
  const std::vector<std::string> sets = {"train.finetune_steps=3"};
  const std::vector<double> plain = losses(sets, "plain"), fine = losses(with_ranges(sets, 40), "rounded"),
                            clipped = losses(with_ranges(sets, 1e-3), "clipped");
  EXPECT_NE(fine, plain);
  for (size_t i = 0; i < plain.size(); ++i) EXPECT_NEAR(fine[i], plain[i], 0.2 * plain[i]);
  EXPECT_GT(std::abs(clipped[0] - plain[0]), std::abs(fine[0] - plain[0]))
      << "ranges that hold nothing change nothing?";
}

TEST(Int8Training, FeaturesOfACacheAreThoseOfItsEncoder) {
  const std::vector<std::string> cache = {"train.finetune_steps=3", "feature_cache.enabled=true",
                                          "feature_cache.storage=float32",
                                          "feature_cache.dir=" + TinyData::get().path("int8_features")};
  const std::vector<double> plain = losses(cache, "cached_plain"),
                            eight = losses(with_ranges(cache, 40), "cached_eight"),
                            straight = losses(with_ranges({"train.finetune_steps=3"}, 40), "straight_eight");
  EXPECT_NE(eight, plain) << "features of float32 were taken for those of 8 bits";
  EXPECT_EQ(eight, straight);
}

TEST(Int8Training, TrainedWeightsMoveAndValidate) {
  const auto run = trainer(with_ranges({"train.finetune_steps=2", "train.val_interval=2"}, 40), "moves_int8");
  auto* lane = dynamic_cast<Conv2d*>(run->network().find("bev_static_head.lane"));
  ASSERT_TRUE(lane != nullptr && lane->eight_bits() != nullptr);
  const std::vector<double> before = lane->weight.to_vector();
  run->run();
  EXPECT_NE(lane->weight.to_vector(), before);
}

}  // namespace
}  // namespace bevgrad
