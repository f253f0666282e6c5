// Whole trainings whose ranks share the optimizer's state out, on the CPU and on CUDA devices: the bits of those that
// do not.
#include <gtest/gtest.h>

#include <map>
#include <mutex>

#include "distributed/ranks.h"
#include "train/tiny_run.h"
#include "train/trainer.h"

namespace bevgrad {
namespace {

using Values = std::map<std::string, std::vector<double>>;

class ShardedTraining : public ::testing::TestWithParam<Setting> {
 protected:
  /// What rank 0 has after three steps.
  static Values train(bool is_shared) {
    const configs::Document document = TinyData::get().document(
        "mini_step1", {"train.train_steps=3", fmt::format("distributed.shard_optimizer={}", is_shared)});
    const std::string folder = TinyData::get().path(is_shared ? "shared_state" : "whole_state");
    Values values;
    std::mutex mutex;
    expect_no_errors(run_ranks(
        GetParam(),
        [&](ProcessGroup& group, Device device) {
          Trainer trainer(document, {.work_dir = folder, .resume = "", .pretrain = "", .quiet = true, .device = device},
                          group);
          for (int i = 0; i < 3; ++i) trainer.step();
          Values own;
          for (const auto& [name, tensor] : trainer.network().state_dict()) own[name] = tensor.to_vector();
          const std::lock_guard lock(mutex);
          if (values.empty()) values = own;
          EXPECT_EQ(own, values) << "rank " << group.rank();
        },
        [](int) { return GroupOptions{.timeout = std::chrono::seconds(60), .config = "same"}; }));
    return values;
  }
};

TEST_P(ShardedTraining, GivesTheBitsOfAWholeState) {
  const Values whole = train(false);
  EXPECT_GT(whole.size(), 100u);
  EXPECT_EQ(train(true), whole);
}

INSTANTIATE_TEST_SUITE_P(Ranks, ShardedTraining, ::testing::ValuesIn(settings({2})), setting_name);

}  // namespace
}  // namespace bevgrad
