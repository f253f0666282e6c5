// What a training makes of how rare its classes are.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "support/error_of.h"
#include "train/class_balance.h"
#include "train/tiny_run.h"
#include "train/trainer.h"

namespace bevgrad {
namespace {

using testing::error_of;
using ::testing::HasSubstr;

std::unique_ptr<Trainer> trainer(const std::string& config, const std::vector<std::string>& sets,
                                 const std::string& work_dir) {
  static const std::unique_ptr<ProcessGroup> group = make_single_process_group();
  return std::make_unique<Trainer>(
      TinyData::get().document(config, sets),
      TrainerOptions{.work_dir = TinyData::get().path(work_dir), .resume = "", .pretrain = "", .quiet = true}, *group);
}

TEST(ClassBalance, WeightsComeFromTheLabelsAndWrittenOnesStay) {
  const configs::Document plain = TinyData::get().document("mini_step1");
  EXPECT_EQ(with_class_weights(plain).proto.loss().lane_class_weights_size(), 0);
  const configs::Document document =
      TinyData::get().document("mini_step1", {"loss.class_weight_power=0.5", "loss.road_class_weights=[1, 2, 3, 4]"});
  const config::Loss& loss = with_class_weights(document).proto.loss();
  ASSERT_EQ(loss.lane_class_weights_size(), 9);
  EXPECT_NE(*std::min_element(loss.lane_class_weights().begin(), loss.lane_class_weights().end()),
            *std::max_element(loss.lane_class_weights().begin(), loss.lane_class_weights().end()));
  EXPECT_EQ(loss.road_class_weights(1), 2);
}

TEST(ClassBalance, ATrainingKeepsItsWeightsInTheConfig) {
  auto weighted = trainer("mini_step1", {"train.train_steps=1", "loss.class_weight_power=1"}, "weighted");
  auto plain = trainer("mini_step1", {"train.train_steps=1"}, "unweighted");
  EXPECT_NE(weighted->step().loss, plain->step().loss);
  EXPECT_THAT(weighted->checkpoint().config, HasSubstr("lane_class_weights: "));
}

TEST(ClassBalance, RareFramesComeAgainWhereFramesAreShuffled) {
  const configs::Document document =
      TinyData::get().document("mini_step1", {"data.balance_classes=1", "train.train_steps=1"});
  const Dataset dataset(configs::lmdb_list(document.proto),
                        configs::train_lists(document.proto, [](const config::ListGroup&) { return true; }),
                        configs::dataset_options(document.proto, true));
  const std::vector<double> repeats = balanced_repeats(dataset, document.proto);
  ASSERT_EQ(static_cast<int64_t>(repeats.size()), dataset.size());
  EXPECT_GT(*std::max_element(repeats.begin(), repeats.end()), 1.0);
  EXPECT_TRUE(balanced_repeats(dataset, TinyData::get().document("mini_step1").proto).empty());
  trainer("mini_step1", {"data.balance_classes=1", "train.train_steps=1"}, "balanced")->step();
  const std::vector<std::string> streamed = {"train.finetune_steps=1", "data.balance_classes=0.5"};
  EXPECT_THAT(error_of([&] { trainer("mini_step2_static", streamed, "balanced_streams"); }),
              HasSubstr("feature_cache.shuffle draws single frames"));
}

}  // namespace
}  // namespace bevgrad
