// How many messages ranks that train send in a step, as the process group counts them.
#include <gtest/gtest.h>

#include "distributed/ranks.h"
#include "train/tiny_run.h"
#include "train/trainer.h"

namespace bevgrad {
namespace {

class Messages : public ::testing::TestWithParam<Setting> {};

TEST_P(Messages, OfBranchesGoTogether) {
  const configs::Document document = TinyData::get().document("mini_step1", {"train.train_steps=3"});
  const std::string folder = TinyData::get().path("messages");
  expect_no_errors(run_ranks(
      GetParam(),
      [&](ProcessGroup& group, Device device) {
        Trainer trainer(document, {.work_dir = folder, .resume = "", .pretrain = "", .quiet = true, .device = device},
                        group);
        trainer.step();
        const int64_t before = group.traffic().calls;
        trainer.step();
        // The statistics of 59 normalisations both ways, the counts of 12 losses (on CUDA some are on the host), and
        // the report of the step.
        EXPECT_LE(group.traffic().calls - before, device.is_cpu() ? 36 : 37);
      },
      [](int) { return GroupOptions{.timeout = std::chrono::seconds(60), .config = "same"}; }));
}

INSTANTIATE_TEST_SUITE_P(Ranks, Messages, ::testing::ValuesIn(settings({2})), setting_name);

}  // namespace
}  // namespace bevgrad
