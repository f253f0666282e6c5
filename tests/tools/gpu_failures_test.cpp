// What a user sees of a GPU that is not there, is full, or falls off in the middle of a run. (Names with OnAGpu run on
// the emulated device.)
#include "tools/launched_runs.h"

namespace bevgrad {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class FailuresOnAGpu : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string info;
    run({testing::bevgrad_binary(), "info"}, &info);
    if (info.find("emulated device") == std::string::npos)
      GTEST_SKIP() << "SKIPPED: only an emulated GPU fails at will";
  }
  static Words on_device(Words program) {
    program.insert(program.end(), {"--device", "cuda"});
    return program;
  }
  /// The last line that is not empty.
  static std::string last_line(const std::string& output) {
    const size_t end = output.find_last_not_of('\n');
    const size_t begin = output.rfind('\n', end);
    return output.substr(begin == std::string::npos ? 0 : begin + 1, end - begin);
  }
};

TEST_F(FailuresOnAGpu, OneThatIsNotThereIsAMistakeInTheCall) {
  for (const auto& [devices, text] :
       {std::pair{"nodriver", "no NVIDIA driver"}, std::pair{"0", "no NVIDIA GPU"},
        std::pair{"olddriver", "the NVIDIA driver is for CUDA 12.2, this build needs one for 13.0 or newer"},
        std::pair{"oldgpu",
                  "compute capability 6.0: cudaFuncGetAttributes: no kernel image is available for execution on "
                  "the device (CUDA error 209): this build has no code for this GPU and driver"}}) {
    Running running(on_device(tiny_run(path("no_gpu"), steps(2, 1))), {{"BEVGRAD_EMULATED_DEVICES", devices}});
    EXPECT_EQ(running.finish(), 2) << running.output();
    EXPECT_THAT(last_line(running.output()), AllOf(HasSubstr("bevgrad: --device cuda: "), HasSubstr(text)));
  }
}

TEST_F(FailuresOnAGpu, AFullOneSaysWhoHasWhat) {
  Running running(on_device(tiny_run(path("full_gpu"), steps(2, 2))), {{"BEVGRAD_EMULATED_MEMORY", "1500000"}});
  EXPECT_EQ(running.finish(), 1) << running.output();
  EXPECT_THAT(last_line(running.output()),
              AllOf(HasSubstr("out of memory on cuda:0: could not allocate "),
                    HasSubstr("in use by this process's tensors"), HasSubstr("train.batch_size")));
}

TEST_F(FailuresOnAGpu, NcclThatCannotStartSaysHowMuchSharedMemoryThereIs) {
  Running running(launched(2, on_device(tiny_run(path("no_nccl"), steps(2, 2)))),
                  {{"BEVGRAD_EMULATED_NCCL", "init=error"}, {"BEVGRAD_EMULATED_DEVICES", "2"}});
  EXPECT_EQ(running.finish(), 1) << running.output();
  EXPECT_THAT(running.output(), ::testing::ContainsRegex(
                                    "connecting the devices: ncclCommInitRankConfig: ncclSystemError: .*; /dev/shm has "
                                    "[0-9]+ MB free: .*--shm-size=1g"));
}

TEST_F(FailuresOnAGpu, OneThatFallsOffLeavesWholeCheckpoints) {
  const std::string unbroken = path("gpu_stays"), work_dir = path("gpu_falls_off"), sign = path("gpu_is_gone");
  ASSERT_EQ(run(on_device(tiny_run(unbroken, kLong))), 0);
  Running running(on_device(tiny_run(work_dir, kLong)), {{"BEVGRAD_EMULATED_LOSS", sign}});
  ASSERT_TRUE(running.wait_for("train 5/12")) << running.output();
  std::ofstream(sign) << "gone";
  EXPECT_EQ(running.finish(), 1) << running.output();
  EXPECT_THAT(last_line(running.output()),
              AllOf(HasSubstr("(CUDA error 719)"), HasSubstr("goes on from its last checkpoint (--resume auto)")));
  for (const auto& entry : fs::directory_iterator(work_dir + "/checkpoints"))
    EXPECT_NO_THROW(load_checkpoint(entry.path().string())) << entry.path();
  Words again = on_device(tiny_run(work_dir, kLong));
  again.insert(again.end(), {"--resume", "auto"});
  ASSERT_EQ(run(again), 0);
  expect_same_bits(last_checkpoint(unbroken, 12), last_checkpoint(work_dir, 12));
}

}  // namespace
}  // namespace bevgrad
