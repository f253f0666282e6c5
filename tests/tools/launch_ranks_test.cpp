// Whole runs on several processes under our launcher give the run of one.
#include "tools/launched_runs.h"

namespace bevgrad {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(Ranks, GiveTheRunOfOneRank) {
  for (const int ranks : {2, 4}) {
    const std::string work_dir = path(fmt::format("of_{}", ranks));
    std::string output;
    ASSERT_EQ(run(launched(ranks, tiny_run(work_dir, steps(6, 4 / ranks))), &output), 0) << output;
    EXPECT_THAT(output, AllOf(HasSubstr("exposed"), Not(HasSubstr("[rank1]"))));  // one log
    expect_close(last_checkpoint(run_of_one(), 6), last_checkpoint(work_dir, 6));
  }
}

TEST(Ranks, SeparateListsOfTasksGiveTheRunOfOneRank) {
  // Two passes a step: the second one's exchange carries what the first left.
  const Words sets = {"data.train[0]={ name: \"maps\" lists: \"train.txt\" dynamic_task: false }",
                      "data.train[1]={ name: \"boxes\" lists: \"train.txt\" static_task: false }"};
  ASSERT_EQ(run(tiny_run(path("lists_one"), steps(3, 4, sets))), 0);
  ASSERT_EQ(run(launched(2, tiny_run(path("lists_two"), steps(3, 2, sets)))), 0);
  expect_close(last_checkpoint(path("lists_one"), 3), last_checkpoint(path("lists_two"), 3));
}

TEST(Ranks, ThawTogether) {
  const Words sets = {"train.freeze_module_schedules[0]={ module: \"stage1_*\" steps: 2 }"};
  ASSERT_EQ(run(tiny_run(path("thaw_one"), steps(4, 4, sets))), 0);
  ASSERT_EQ(run(launched(2, tiny_run(path("thaw_two"), steps(4, 2, sets)))), 0);
  const Checkpoint one = last_checkpoint(path("thaw_one"), 4), two = last_checkpoint(path("thaw_two"), 4);
  expect_close(one, two);
  const StateDict& moments = two.optimizer.at("exp_avg");
  EXPECT_EQ(one.optimizer.at("exp_avg").size(), moments.size());
  EXPECT_TRUE(std::any_of(moments.begin(), moments.end(),
                          [](const auto& moment) { return moment.first.starts_with("stage1_"); }));
}

TEST(Ranks, SameNumberSameBits) {
  for (const std::string name : {"same_a", "same_b"})
    ASSERT_EQ(run(launched(3, tiny_run(path(name), steps(4, 1, {"distributed.bucket_mb=0.05"})))), 0);
  expect_same_bits(last_checkpoint(path("same_a"), 4), last_checkpoint(path("same_b"), 4));
}

TEST(Ranks, StepTwoStreamsWithItsHistory) {
  const Words sets = {"train.finetune_steps=4", "train.float_pretrain=" + run_of_one() + "/step1.ckpt"};
  Words one = sets, two = sets;
  one.push_back("train.batch_size=2");
  two.push_back("train.batch_size=1");
  ASSERT_EQ(run(tiny_run(path("step2_one"), one, "mini_step2_static")), 0);
  ASSERT_EQ(run(launched(2, tiny_run(path("step2_two"), two, "mini_step2_static"))), 0);
  expect_close(last_checkpoint(path("step2_one"), 4), last_checkpoint(path("step2_two"), 4));
}

TEST(Ranks, ResumeOnAnotherNumberSaysWhatChanged) {
  const std::string work_dir = path("other_number");
  ASSERT_EQ(run(launched(2, tiny_run(work_dir, steps(6, 2, {"train.checkpoint_interval=3"})))), 0);
  fs::remove(work_dir + "/checkpoints/step_00000006.h5");
  Words command = tiny_run(work_dir, steps(6, 4));
  command.insert(command.end(), {"--resume", "auto"});
  std::string output;
  ASSERT_EQ(run(command, &output), 0) << output;
  EXPECT_THAT(output, HasSubstr("1 rank(s) x 4 cases a step were 2 x 2"));
  expect_close(last_checkpoint(run_of_one(), 6), last_checkpoint(work_dir, 6));
}

TEST(Ranks, ValidateTogetherAndGetTheNumbersOfOne) {
  Words sets = {"eval.eval_with_visualize=false"};
  const auto validate = [&](const std::string& folder) {
    Words words = tiny_run(folder, sets);
    words.insert(words.end(), {"--state", "val", "--ckpt", run_of_one() + "/step1.ckpt"});
    return words;
  };
  // Several sequences, so that each rank has some: the training's.
  sets.push_back("data.val[0]={ name: \"val\" lists: [\"train.txt\", \"val.txt\"] }");
  ASSERT_EQ(run(validate(path("val_one"))), 0);
  for (const int ranks : {2, 4}) {
    const std::string folder = path(fmt::format("val_{}", ranks));
    ASSERT_EQ(run(launched(ranks, validate(folder))), 0);
    EXPECT_EQ(read_text(folder + "/metrics.json"), read_text(path("val_one") + "/metrics.json"));
  }
}

}  // namespace
}  // namespace bevgrad
