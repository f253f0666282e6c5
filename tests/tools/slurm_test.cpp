// The job script under a Slurm of this machine's own (Debian's slurm-wlm and munge, root).
#include "tools/launched_runs.h"

namespace bevgrad {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class Slurm : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::system("command -v slurmctld slurmd munged sbatch >/dev/null 2>&1") != 0 || geteuid() != 0)
      GTEST_SKIP() << "SKIPPED: a Slurm of one machine needs root, slurm-wlm and munge";
    folder_ = path("slurm");
    const auto port = [] { return listen_on({"127.0.0.1", 0}).local().port; };
    std::string output;
    if (run({"sh", testing::source_dir() + "/scripts/slurm/loopback.sh", folder_, std::to_string(port()),
             std::to_string(port())},
            &output) != 0)
      GTEST_SKIP() << "SKIPPED: Slurm does not start here: " << output;
    setenv("SLURM_CONF", (folder_ + "/slurm.conf").c_str(), 1);
  }
  void TearDown() override {
    if (folder_.empty()) return;
    std::system("scancel --user=root --signal=KILL --full >/dev/null 2>&1");
    for (const char* name : {"slurmd", "slurmctld", "munged"})
      if (const pid_t process = std::atoi(read_text(fmt::format("{}/run/{}.pid", folder_, name)).c_str()); process > 1)
        kill(process, SIGTERM);
    unsetenv("SLURM_CONF");
  }
  static bool wait_for(const std::string& file, const std::string& text) {
    for (int i = 0; i < 900; ++i) {
      if (read_text(file).find(text) != std::string::npos) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
    }
    return false;
  }
  std::string folder_;
};

// Slurm's warning before the time is up, given by hand: the run saves, is queued again and goes on to its end.
TEST_F(Slurm, AWarnedJobSavesAndGoesBackIntoTheQueue) {
  const std::string work_dir = path("slurm_run"), log = folder_ + "/job.log";
  const Words sets = steps(60, 1, {"train.checkpoint_interval=10"});
  Words words = tiny_run(work_dir, sets);
  // What the script says itself.
  words.erase(words.begin(), words.begin() + 2);
  Words submit = {"sbatch",
                  "--export=ALL,BEVGRAD=" + testing::bevgrad_binary(),
                  "--ntasks-per-node=2",
                  "--gpus-per-node=0",
                  "--time=10",
                  "--output=" + log,
                  testing::source_dir() + "/scripts/slurm/train.sbatch"};
  submit.insert(submit.end(), words.begin(), words.end());
  std::string output;
  ASSERT_EQ(run(submit, &output), 0) << output;
  ASSERT_THAT(output, HasSubstr("Submitted batch job "));
  const std::string job = output.substr(output.find("job ") + 4, output.find('\n') - output.find("job ") - 4);
  ASSERT_TRUE(wait_for(log, "train 3/60")) << read_text(log);
  ASSERT_EQ(run({"scancel", "--signal=USR1", job}, &output), 0) << output;
  EXPECT_TRUE(wait_for(log, "back into the queue")) << read_text(log);
  EXPECT_TRUE(wait_for(log, "start 1")) << read_text(log);
  EXPECT_TRUE(wait_for(log, "60 steps done")) << read_text(log);
  EXPECT_THAT(read_text(log), AllOf(HasSubstr("stopped by a signal (SIGUSR1)"), HasSubstr("resumed from")));
  const std::string whole = path("slurm_unbroken");
  ASSERT_EQ(run(launched(2, tiny_run(whole, sets))), 0);
  expect_same_bits(last_checkpoint(whole, 60), last_checkpoint(work_dir, 60));
}

}  // namespace
}  // namespace bevgrad
