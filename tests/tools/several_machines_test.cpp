// Whole runs on several machines.
#include "tools/machines.h"

namespace bevgrad {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class TwoMachines : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!machines_.is_there()) GTEST_SKIP() << "SKIPPED: network namespaces need root and iproute2";
  }
  static Words on(int node, const Words& program, const Words& more = {}) {
    Words flags = {
        "--nnodes", "2", "--node-rank", std::to_string(node), "--rdzv-endpoint", Machines::address(0) + ":29533"};
    flags.insert(flags.end(), more.begin(), more.end());
    return Machines::on(node, launched(1, program, flags));
  }
  Machines machines_{2};
};

TEST_F(TwoMachines, TrainTogetherAndOneIsStartedAgain) {
  const std::string work_dir = path("machines");
  const Words program = tiny_run(work_dir, kLong);
  Running a(on(0, program, {"--max-restarts", "1"})), b(on(1, program, {"--max-restarts", "1"}));
  ASSERT_TRUE(a.wait_for("train 5/12")) << a.output() << b.output();
  const std::vector<pid_t> ranks = children_of(b.process());
  ASSERT_EQ(ranks.size(), 1u);
  kill(ranks[0], SIGKILL);
  EXPECT_EQ(a.finish(), 0) << a.output();
  EXPECT_EQ(b.finish(), 0) << b.output();
  EXPECT_THAT(a.output(), HasSubstr("rank1 on node 1 ended with signal 9"));
  expect_same_bits(last_checkpoint(unbroken(), 12), last_checkpoint(work_dir, 12));
}

TEST_F(TwoMachines, ACutCableEndsBoth) {
  Words sets = kLong;
  sets.push_back("distributed.timeout=2");
  const Words program = tiny_run(path("cable"), sets);
  Running a(on(0, program, {"--timeout", "6"})), b(on(1, program, {"--timeout", "6"}));
  ASSERT_TRUE(a.wait_for("train 3/12")) << a.output() << b.output();
  Machines::cut_cable(0);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_NE(a.finish(), 0);
  EXPECT_NE(b.finish(), 0);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60));
  EXPECT_THAT(a.output(), AllOf(HasSubstr("rank 0 at step"), HasSubstr("rank 1")));
  // Either the rank misses its peer first, or its launcher the other one.
  EXPECT_THAT(b.output(), ::testing::AnyOf(AllOf(HasSubstr("rank 1 at step"), HasSubstr("rank 0")),
                                           HasSubstr("the launcher of node 0 is gone")));
}

class ThreeMachines : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!machines_.is_there()) GTEST_SKIP() << "SKIPPED: network namespaces need root and iproute2";
  }
  static Words on(int machine, const Words& program) {
    return Machines::on(
        machine, launched(1, program,
                          {"--nnodes", "1:3", "--timeout", "5", "--rdzv-endpoint", Machines::address(0) + ":29533"}));
  }
  Machines machines_{3};
};

TEST_F(ThreeMachines, JoinAndLeaveWhileTheRunGoesOn) {
  const std::string work_dir = path("three_machines");
  const Words program = tiny_run(
      work_dir, steps(300, 1, {"train.checkpoint_interval=5", "train.keep_checkpoints=3", "distributed.timeout=20"}));
  Running first(on(0, program));
  ASSERT_TRUE(first.wait_for("train 4/300")) << first.output();
  Running second(on(1, program));
  ASSERT_TRUE(first.wait_for("2 rank(s) on machine 0, 1")) << first.output() << second.output();
  Running third(on(2, program));
  ASSERT_TRUE(first.wait_for("3 rank(s) on machine 0, 1, 2")) << first.output() << third.output();
  Machines::cut_cable(1);
  ASSERT_TRUE(first.wait_for("2 rank(s) on machine 0, 2")) << first.output() << third.output();
  EXPECT_NE(second.finish(), 0) << second.output();
  Machines::mend_cable(1);
  Running again(on(1, program));
  ASSERT_TRUE(first.wait_for("3 rank(s) on machine 0, 2, 3")) << first.output() << again.output();
  kill(third.process(), SIGTERM);
  EXPECT_EQ(third.finish(), 143) << third.output();
  EXPECT_EQ(first.finish(), 0) << first.output();
  EXPECT_EQ(again.finish(), 0) << again.output();
  EXPECT_THAT(first.output(), AllOf(HasSubstr("no sign of life from machine 1"), HasSubstr("2 rank(s) on machine 0, 3"),
                                    Not(HasSubstr("starting again"))));
  EXPECT_EQ(last_checkpoint(work_dir, 300).global_step, 300);
}

}  // namespace
}  // namespace bevgrad
