// Whole runs on several processes with a CUDA device each: they give the run of one, and end and start again as on the
// CPU. That a device gives what the CPU gives is tested step by step (tests/train/trainer_test.cpp).
#include "tensor/device.h"
#include "tools/launched_runs.h"

namespace bevgrad {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

/// Needs two devices, of which an emulated machine has as many as one asks for.
class TwoDevices : public ::testing::Test {
 protected:
  void SetUp() override {
    if (cuda_device_count() < 2)
      GTEST_SKIP() << "SKIPPED: two CUDA devices are needed, there are " << cuda_device_count();
  }
  static Words on_devices(Words program) {
    program.insert(program.end(), {"--device", "cuda"});
    return program;
  }
  /// An unbroken run, checkpoints every two steps.
  static const std::string& unbroken_on_devices() {
    static const std::string folder = [] {
      const std::string work_dir = path("cuda_unbroken");
      EXPECT_EQ(run(launched(2, on_devices(tiny_run(work_dir, kLong)))), 0);
      return work_dir;
    }();
    return folder;
  }
};

TEST_F(TwoDevices, GiveTheRunOfOne) {
  // In TF32 another order of the sums may round a value by 1/2048 of it, which six steps make visible.
  const Words in_float32 = {"train.allow_tf32=false"};
  const std::string one = path("cuda_of_1");
  ASSERT_EQ(run(on_devices(tiny_run(one, steps(6, 4, in_float32)))), 0);
  const std::string work_dir = path("cuda_of_2");
  std::string output;
  ASSERT_EQ(run(launched(2, on_devices(tiny_run(work_dir, steps(6, 2, in_float32)))), &output), 0) << output;
  EXPECT_THAT(output, HasSubstr("exposed"));
  expect_close(last_checkpoint(one, 6), last_checkpoint(work_dir, 6));
}

TEST_F(TwoDevices, AKilledRankIsStartedAgainAndTheBitsAreThoseOfAnUnbrokenRun) {
  const std::string work_dir = path("cuda_killed");
  Running running(launched(2, on_devices(tiny_run(work_dir, kLong)), {"--max-restarts", "1"}));
  ASSERT_TRUE(running.wait_for("train 5/12")) << running.output();
  const std::vector<pid_t> ranks = children_of(running.process());
  ASSERT_EQ(ranks.size(), 2u);
  kill(ranks[1], SIGKILL);
  EXPECT_EQ(running.finish(), 0) << running.output();
  EXPECT_THAT(running.output(), AllOf(HasSubstr("rank1"), HasSubstr("signal 9"), HasSubstr("starting again (1 of 1)"),
                                      HasSubstr("resumed from")));
  expect_same_bits(last_checkpoint(unbroken_on_devices(), 12), last_checkpoint(work_dir, 12));
}

TEST_F(TwoDevices, AStoppedRankIsNoticedWithinTheTimeout) {
  Words sets = kLong;
  // Ranks on emulated devices are slow, and drift apart where the machine is busy.
  sets.push_back("distributed.timeout=15");
  const std::string work_dir = path("cuda_stopped");
  Running running(launched(2, on_devices(tiny_run(work_dir, sets))));
  ASSERT_TRUE(running.wait_for("train 3/12")) << running.output();
  const std::vector<pid_t> ranks = children_of(running.process());
  ASSERT_EQ(ranks.size(), 2u);
  kill(ranks[1], SIGSTOP);
  EXPECT_EQ(running.finish(), 1) << running.output();
  EXPECT_THAT(running.output(), AllOf(HasSubstr("nothing from rank 1 within 15 s"),
                                      HasSubstr("no sign of life from rank 1"), HasSubstr("rank 0 at step")));
  // What was broken off is in no checkpoint.
  for (const auto& entry : fs::directory_iterator(work_dir + "/checkpoints"))
    EXPECT_NO_THROW(load_checkpoint(entry.path().string())) << entry.path();
}

TEST_F(TwoDevices, MoreRanksThanDevicesIsAMistakeInTheCall) {
  std::string output;
  const int ranks = cuda_device_count() + 1;
  EXPECT_EQ(run(launched(ranks, on_devices(tiny_run(path("cuda_too_many"), steps(2, 1)))), &output), 2);
  EXPECT_THAT(output, HasSubstr("expected one for each of the"));
}

}  // namespace
}  // namespace bevgrad
