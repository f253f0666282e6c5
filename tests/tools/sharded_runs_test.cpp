// Runs whose ranks share the optimizer's state out (distributed.shard_optimizer).
#include "tools/launched_runs.h"

namespace bevgrad {
namespace {

Words with(Words sets, const Words& more) {
  sets.insert(sets.end(), more.begin(), more.end());
  return sets;
}

TEST(ShardedOptimizer, TwoRanksGiveTheBitsOfWholeOnes) {
  const std::string work_dir = path("sharded");
  ASSERT_EQ(run(launched(2, tiny_run(work_dir, with(kLong, {"distributed.shard_optimizer=true"})))), 0);
  for (const int step : {2, 12}) expect_same_state(last_checkpoint(unbroken(), step), last_checkpoint(work_dir, step));
}

TEST(ShardedOptimizer, ThreeRanksAndAnUnfreezingInTheMiddle) {
  const Words sets = steps(6, 1, {"train.freeze_module_schedules[0]={ module: \"stage1_backbone0\" steps: 3 }"});
  const std::string whole = path("whole_three"), sharded = path("sharded_three");
  ASSERT_EQ(run(launched(3, tiny_run(whole, sets))), 0);
  ASSERT_EQ(run(launched(3, tiny_run(sharded, with(sets, {"distributed.shard_optimizer=true"})))), 0);
  expect_same_state(last_checkpoint(whole, 6), last_checkpoint(sharded, 6));
}

// Checkpoints hold the whole state, so any number of ranks goes on from them, sharing or not.
TEST(ShardedOptimizer, GoesOnWithAnyNumberOfRanks) {
  const auto broken = [&](const std::string& name) {
    const std::string work_dir = path(name);
    EXPECT_EQ(run(launched(2, tiny_run(work_dir, with(steps(4, 3), {"distributed.shard_optimizer=true"})))), 0);
    return work_dir;
  };
  const auto goes_on = [&](const std::string& work_dir, int ranks, int batch, bool shards) {
    Words program = tiny_run(work_dir, with(steps(8, batch), {fmt::format("distributed.shard_optimizer={}", shards)}));
    program.insert(program.end(), {"--resume", "auto"});
    EXPECT_EQ(run(launched(ranks, program)), 0);
    return last_checkpoint(work_dir, 8);
  };
  const Checkpoint three = goes_on(broken("shards_23"), 3, 2, true),
                   three_whole = goes_on(broken("shards_23w"), 3, 2, false);
  expect_same_state(three, three_whole);
  EXPECT_EQ(goes_on(broken("shards_21"), 1, 6, true).global_step, 8);
}

}  // namespace
}  // namespace bevgrad
