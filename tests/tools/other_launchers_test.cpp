// Whole runs under torchrun, mpirun and with the variables of Slurm.
#include "tools/launched_runs.h"

namespace bevgrad {
namespace {

bool has_program(const std::string& name) {
  return std::system(fmt::format("command -v {} >/dev/null 2>&1", name).c_str()) == 0;
}

TEST(OtherLaunchers, Torchrun) {
  std::string torchrun;
  for (const std::string name : {"/opt/peer/bin/torchrun", "torchrun"})
    if (torchrun.empty() && has_program(name)) torchrun = name;
  if (torchrun.empty()) GTEST_SKIP() << "SKIPPED: there is no torchrun here";
  for (const int ranks : {1, 2}) {
    const std::string work_dir = path(fmt::format("torchrun_{}", ranks));
    Words command = {torchrun, "--no-python", "--nproc-per-node", std::to_string(ranks)};
    // Both ways in which its agent serves a store.
    const std::string port = std::to_string(listen_on({"127.0.0.1", 0}).local().port);
    const Words meeting =
        ranks == 1 ? Words{"--standalone"} : Words{"--master-addr", "127.0.0.1", "--master-port", port};
    command.insert(command.end(), meeting.begin(), meeting.end());
    const Words program = tiny_run(work_dir, steps(6, 4 / ranks));
    command.insert(command.end(), program.begin(), program.end());
    std::string output;
    ASSERT_EQ(run(command, &output), 0) << output;
    expect_close(last_checkpoint(run_of_one(), 6), last_checkpoint(work_dir, 6));
  }
}

TEST(OtherLaunchers, Mpirun) {
  if (!has_program("mpirun")) GTEST_SKIP() << "SKIPPED: there is no mpirun here";
  const std::string work_dir = path("mpirun");
  Words command = {"mpirun", "--allow-run-as-root", "--oversubscribe", "-np", "2"};
  const Words program = tiny_run(work_dir, steps(6, 2));
  command.insert(command.end(), program.begin(), program.end());
  std::string output;
  ASSERT_EQ(run(command, &output), 0) << output;
  expect_close(last_checkpoint(run_of_one(), 6), last_checkpoint(work_dir, 6));
}

TEST(OtherLaunchers, SlurmVariables) {
  const std::string work_dir = path("slurm");
  const Words program = tiny_run(work_dir, steps(6, 2));
  const auto variables = [](const std::string& rank) {
    return Variables{{"SLURM_PROCID", rank},
                     {"SLURM_LOCALID", rank},
                     {"SLURM_NTASKS", "2"},
                     {"SLURM_STEP_ID", "0"},
                     {"SLURM_JOB_ID", std::to_string(getpid())},
                     {"SLURM_STEP_TASKS_PER_NODE", "2"},
                     {"SLURM_NODEID", "0"},
                     {"SLURM_STEP_NODELIST", "node[07-08]"}};
  };
  Running zero(program, variables("0")), one(program, variables("1"));
  EXPECT_EQ(zero.finish(), 0) << zero.output();
  EXPECT_EQ(one.finish(), 0) << one.output();
  expect_close(last_checkpoint(run_of_one(), 6), last_checkpoint(work_dir, 6));
}

}  // namespace
}  // namespace bevgrad
