// `bevgrad launch --nnodes MIN:MAX`: launchers that come and go, here several on one machine.
#include "tools/elastic_launchers.h"

namespace bevgrad {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class Elastic : public ::testing::Test {
 protected:
  void SetUp() override {
    if (own_address().empty()) GTEST_SKIP() << "SKIPPED: this machine has no address but the loopback one";
  }
};

/// Long enough for machines to come and go.
Words long_run(const std::string& work_dir, int count = 100) {
  return tiny_run(
      work_dir, steps(count, 1, {"train.checkpoint_interval=5", "train.keep_checkpoints=3", "distributed.timeout=20"}));
}

/// The steps from which a run went on.
std::vector<int> resumed_at(const std::string& work_dir) {
  std::vector<int> steps;
  const std::string log = read_text(work_dir + "/train.log"), words = " at step ";
  for (size_t at = log.find("resumed from"); at != std::string::npos; at = log.find("resumed from", at + 1))
    steps.push_back(std::atoi(log.c_str() + log.find(words, at) + words.size()));
  return steps;
}

/// The last step that a log says before its last resume.
int last_step_before_resume(const std::string& work_dir) {
  const std::string log = read_text(work_dir + "/train.log"), words = " train ";
  const size_t resume = log.rfind("resumed from");
  const size_t line = log.rfind(words, resume);
  return line == std::string::npos ? -1 : std::atoi(log.c_str() + line + words.size());
}

TEST_F(Elastic, AMachineJoinsAndNothingIsLost) {
  const std::string work_dir = path("elastic_join"), port = unused_port();
  Running first(machine(port, long_run(work_dir), "1:2"));
  ASSERT_TRUE(first.wait_for("train 12/100")) << first.output();
  Running second(machine(port, long_run(work_dir), "1:2"));
  EXPECT_EQ(first.finish(), 0) << first.output() << second.output();
  EXPECT_EQ(second.finish(), 0) << second.output();
  EXPECT_THAT(first.output(), AllOf(HasSubstr("machine 1 joins"), HasSubstr("2 rank(s) on machine 0, 1")));
  // Stopped by its launcher, the run saves: not a step is lost.
  ASSERT_EQ(resumed_at(work_dir).size(), 1u);
  EXPECT_EQ(resumed_at(work_dir)[0], last_step_before_resume(work_dir));
  EXPECT_EQ(last_checkpoint(work_dir, 100).global_step, 100);
}

TEST_F(Elastic, AMachineThatIsGoneCostsTheStepsSinceTheLastCheckpoint) {
  const std::string work_dir = path("elastic_gone"), port = unused_port();
  Running first(machine(port, long_run(work_dir), "1:3", {"--timeout", "5"}));
  ASSERT_TRUE(first.wait_for("machine 0 of")) << first.output();  // before another takes its place
  Running second(machine(port, long_run(work_dir), "1:3", {"--timeout", "5"}));
  ASSERT_TRUE(first.wait_for("2 rank(s) on machine 0, 1")) << first.output() << second.output();
  ASSERT_TRUE(first.wait_for("train 18/100")) << first.output() << second.output();
  kill(second.process(), SIGKILL);  // its processes go with it
  EXPECT_EQ(first.finish(), 0) << first.output();
  // No restart was allowed, and none was needed.
  EXPECT_THAT(first.output(), AllOf(HasSubstr("no sign of life from machine 1"), HasSubstr("1 rank(s) on machine 0"),
                                    Not(HasSubstr("starting again"))));
  const std::vector<int> resumed = resumed_at(work_dir);
  ASSERT_FALSE(resumed.empty());
  EXPECT_GE(resumed.back(), last_step_before_resume(work_dir) - 10);  // the checkpoint under way may be lost too
  EXPECT_EQ(last_checkpoint(work_dir, 100).global_step, 100);
}

TEST_F(Elastic, LeavingBySignalSavesAndASpareComesIn) {
  const std::string work_dir = path("elastic_spare"), port = unused_port();
  Running first(machine(port, long_run(work_dir), "1:2"));
  ASSERT_TRUE(first.wait_for("machine 0 of")) << first.output();  // before another takes its place
  Running second(machine(port, long_run(work_dir), "1:2"));
  ASSERT_TRUE(first.wait_for("2 rank(s) on machine 0, 1")) << first.output() << second.output();
  Running spare(machine(port, long_run(work_dir), "1:2"));
  ASSERT_TRUE(spare.wait_for("waits for a place")) << spare.output();
  ASSERT_TRUE(first.wait_for("train 15/100")) << first.output();
  kill(second.process(), SIGTERM);
  EXPECT_EQ(second.finish(), 143) << second.output();
  EXPECT_EQ(first.finish(), 0) << first.output();
  EXPECT_EQ(spare.finish(), 0) << spare.output();
  EXPECT_THAT(first.output(),
              AllOf(HasSubstr("machine 1 ("), HasSubstr("leaves"), HasSubstr("2 rank(s) on machine 0, 2")));
  EXPECT_EQ(resumed_at(work_dir).back(), last_step_before_resume(work_dir));
}

TEST_F(Elastic, AFailureCountsAndTheFirstLauncherEndsAll) {
  const std::string port = unused_port();
  Running first(machine(port, {"sh", "-c", "exit 3"}, "1:2", {"--max-restarts", "1"}));
  EXPECT_EQ(first.finish(), 3);
  EXPECT_THAT(first.output(), AllOf(HasSubstr("starting again (1 of 1)"), HasSubstr("are used up")));
  const std::string other = unused_port();
  Running a(machine(other, {"sleep", "100"}, "2:3"));
  ASSERT_TRUE(a.wait_for("machine 0 of")) << a.output();
  Running b(machine(other, {"sleep", "100"}, "2:3"));
  ASSERT_TRUE(a.wait_for("2 rank(s)")) << a.output();
  ASSERT_TRUE(b.wait_for("machine")) << b.output();
  kill(a.process(), SIGTERM);
  EXPECT_EQ(a.finish(), 143) << a.output();
  EXPECT_EQ(b.finish(), 143) << b.output();
  EXPECT_THAT(b.output(), HasSubstr("the first launcher was told to stop"));
}

TEST_F(Elastic, TooFewMachinesAreSaid) {
  Running alone(machine(unused_port(), {"true"}, "2:3", {"--timeout", "1"}));
  EXPECT_EQ(alone.finish(), 1);
  EXPECT_THAT(alone.output(), HasSubstr("1 of at least 2 machines came within 1 s"));
  for (const std::string wrong : {"3:2", "0:2", "1:", ":2", "1:x"}) {
    std::string output;
    EXPECT_EQ(run(machine("29999", {"true"}, wrong), &output), 2) << wrong;
    EXPECT_THAT(output, HasSubstr("--nnodes")) << wrong;
  }
}

}  // namespace
}  // namespace bevgrad
