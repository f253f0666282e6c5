// Rank and threads from what launchers set.
#include "distributed/environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/error.h"
#include "distributed/process_group.h"
#include "distributed/rank_device.h"

namespace bevgrad {
namespace {

using testing::HasSubstr;
using Variables = std::map<std::string, std::string>;

GetVariable from(const Variables& variables) {
  return [variables](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
}

const Variables kTorchrun = {{"RANK", "3"},
                             {"WORLD_SIZE", "4"},
                             {"LOCAL_RANK", "1"},
                             {"LOCAL_WORLD_SIZE", "2"},
                             {"MASTER_ADDR", "127.0.0.1"},
                             {"MASTER_PORT", "29500"}};

std::string error_of(Variables variables) {
  try {
    read_rank_environment(from(variables));
  } catch (const UsageError& error) {
    return error.what();
  }
  return "no error";
}

TEST(RankEnvironment, NothingSetIsOneProcess) {
  const RankEnvironment environment = read_rank_environment(from({}));
  EXPECT_EQ(environment.world_size, 1);
  EXPECT_EQ(environment.launcher, "");
  EXPECT_EQ(make_process_group(environment)->size(), 1);
}

TEST(RankEnvironment, Torchrun) {
  const RankEnvironment environment = read_rank_environment(from(kTorchrun));
  EXPECT_EQ(environment.rank, 3);
  EXPECT_EQ(environment.world_size, 4);
  EXPECT_EQ(environment.local_rank, 1);
  EXPECT_EQ(environment.local_world_size, 2);
  EXPECT_EQ(environment.master_port, 29500);
}

TEST(RankEnvironment, MpiAndSlurm) {
  EXPECT_EQ(read_rank_environment(from({{"OMPI_COMM_WORLD_RANK", "1"},
                                        {"OMPI_COMM_WORLD_SIZE", "2"},
                                        {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                                        {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
                                        {"PMIX_NAMESPACE", "job"}}))
                .rank,
            1);
  const Variables slurm = {{"SLURM_STEP_ID", "0"},
                           {"SLURM_PROCID", "2"},
                           {"SLURM_NTASKS", "9"},  // of the allocation
                           {"SLURM_STEP_NUM_TASKS", "5"},
                           {"SLURM_LOCALID", "0"},
                           {"SLURM_NODEID", "1"},
                           {"SLURM_JOB_ID", "77"},
                           {"SLURM_STEP_TASKS_PER_NODE", "2(x2),1"},
                           {"SLURM_STEP_NODELIST", "node[03-07,09].site,other"}};
  const RankEnvironment environment = read_rank_environment(from(slurm));
  EXPECT_EQ(environment.rank, 2);
  EXPECT_EQ(environment.world_size, 5);
  EXPECT_EQ(environment.local_world_size, 2);
  EXPECT_EQ(environment.master_addr, "node03.site");
  EXPECT_GE(environment.master_port, 20000);
  Variables other_job = slurm;
  other_job["SLURM_JOB_ID"] = "78";
  EXPECT_NE(read_rank_environment(from(other_job)).master_port, environment.master_port);
  Variables wrong = slurm;
  for (const char* tasks : {"many", "0(x2),1", "2(x0),1"}) {
    wrong["SLURM_STEP_TASKS_PER_NODE"] = tasks;
    EXPECT_THAT(error_of(wrong), HasSubstr("SLURM_STEP_TASKS_PER_NODE")) << tasks;
  }
  EXPECT_EQ(read_rank_environment(from({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "3"}})).world_size, 1);
}

TEST(RankEnvironment, APyTorchJobHasOneRankAMachine) {
  Variables variables = {{"RANK", "3"}, {"WORLD_SIZE", "4"}, {"MASTER_ADDR", "job-master-0"}, {"MASTER_PORT", "23456"}};
  const RankEnvironment environment = read_rank_environment(from(variables));
  EXPECT_EQ(environment.rank, 3);
  EXPECT_EQ(environment.local_rank, 0);
  EXPECT_EQ(environment.local_world_size, 1);
  EXPECT_TRUE(environment.is_alone_on_its_machine);
  variables["LOCAL_RANK"] = "1";
  EXPECT_THAT(error_of(variables), HasSubstr("LOCAL_WORLD_SIZE is not"));
  variables.erase("LOCAL_RANK");
  variables.erase("MASTER_PORT");
  EXPECT_THAT(error_of(variables), HasSubstr("MASTER_PORT is not"));
}

TEST(Threads, MoreThanTheCoresCanBearAreSaid) {
  RankEnvironment environment;
  environment.local_world_size = 2;
  EXPECT_EQ(odd_threads(2, environment, 4, from({})), "");
  EXPECT_THAT(odd_threads(3, environment, 4, from({})), HasSubstr("6 threads on 4 core(s)"));
  EXPECT_EQ(odd_threads(1, environment, 1, from({})), "");  // more ranks than cores, of one thread each
  EXPECT_THAT(odd_threads(64, environment, 2, from({{"OMP_NUM_THREADS", "64"}})),
              testing::AllOf(HasSubstr("128 threads on 2 core(s)"), HasSubstr("OMP_NUM_THREADS=64")));
}

TEST(RankEnvironment, OpenMpiOnSeveralMachinesNeedsAPlaceToMeet) {
  Variables variables = {{"OMPI_COMM_WORLD_RANK", "1"},
                         {"OMPI_COMM_WORLD_SIZE", "4"},
                         {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                         {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}};
  EXPECT_THAT(error_of(variables), HasSubstr("MASTER_ADDR and MASTER_PORT"));
  variables["MASTER_ADDR"] = "10.0.0.1";
  variables["MASTER_PORT"] = "29500";
  EXPECT_EQ(read_rank_environment(from(variables)).master_addr, "10.0.0.1");
}

TEST(RankEnvironment, TheAgentsStore) {
  Variables variables = kTorchrun;
  EXPECT_FALSE(read_rank_environment(from(variables)).use_agent_store);
  variables["TORCHELASTIC_USE_AGENT_STORE"] = "True";
  variables["TORCHELASTIC_RESTART_COUNT"] = "2";
  EXPECT_TRUE(read_rank_environment(from(variables)).use_agent_store);
  EXPECT_EQ(read_rank_environment(from(variables)).restart_count, 2);
  variables["TORCHELASTIC_USE_AGENT_STORE"] = "maybe";
  EXPECT_THAT(error_of(variables), HasSubstr("TORCHELASTIC_USE_AGENT_STORE"));
}

TEST(RankEnvironment, WrongOnesAreNamed) {
  for (const auto& [name, value] : kTorchrun) {
    Variables missing = kTorchrun;
    missing.erase(name);
    EXPECT_THAT(error_of(missing), HasSubstr(name));
    Variables wrong = kTorchrun;
    if (name == "MASTER_ADDR") continue;
    for (const char* bad : {"", "x", "-1", "99999999999", "1.5"}) {
      wrong[name] = bad;
      EXPECT_THAT(error_of(wrong), HasSubstr(name)) << bad;
    }
  }
  Variables wrong = kTorchrun;
  wrong["RANK"] = "4";
  EXPECT_THAT(error_of(wrong), HasSubstr("0 to 3"));
  wrong = kTorchrun;
  wrong["LOCAL_RANK"] = "2";
  EXPECT_THAT(error_of(wrong), HasSubstr("LOCAL_WORLD_SIZE"));
}

TEST(Threads, AShareOfTheCores) {
  const RankEnvironment two = read_rank_environment(from(kTorchrun));
  EXPECT_EQ(threads_per_rank(3, two, 8, from({})), 3);
  EXPECT_EQ(threads_per_rank(0, two, 8, from({})), 4);
  EXPECT_EQ(threads_per_rank(0, two, 1, from({})), 1);
  EXPECT_EQ(threads_per_rank(0, two, 8, from({{"OMP_NUM_THREADS", "1"}})), 4);
  EXPECT_EQ(threads_per_rank(0, {}, 8, from({{"OMP_NUM_THREADS", "1"}})), 1);
  // torchrun sets the variable where it starts several processes; for one it is the user's.
  RankEnvironment alone = two;
  alone.local_world_size = 1;
  EXPECT_EQ(threads_per_rank(0, alone, 8, from({{"OMP_NUM_THREADS", "1"}})), 1);
  EXPECT_THROW(threads_per_rank(0, {}, 8, from({{"OMP_NUM_THREADS", "many"}})), UsageError);
}

std::string device_of(int local_rank, const VisibleDevices& devices, DeviceKind kind = DeviceKind::CUDA) {
  RankEnvironment environment;
  environment.local_rank = local_rank;
  environment.local_world_size = 4;
  try {
    return to_string(rank_device(environment, kind, devices));
  } catch (const UsageError& error) {
    return error.what();
  }
}

TEST(RankDevice, IsTheLocalRanks) {
  EXPECT_EQ(device_of(3, {0, "no NVIDIA driver (CUDA error 35)", false}, DeviceKind::CPU), "cpu");
  EXPECT_EQ(device_of(0, {4, "", false}), "cuda:0");
  EXPECT_EQ(device_of(3, {4, "", false}), "cuda:3");
  // Each process sees one of its own: all have the local rank 0 (torchrun --virtual-local-rank), or keep theirs
  // (Slurm).
  EXPECT_EQ(device_of(0, {1, "", true}), "cuda:0");
  EXPECT_EQ(device_of(2, {1, "", true}), "cuda:0");
  EXPECT_EQ(device_of(0, {0, "no NVIDIA driver (CUDA error 35)", false}),
            "--device cuda: no NVIDIA driver (CUDA error 35)");
  EXPECT_THAT(device_of(2, {2, "", false}),
              HasSubstr("no cuda:2 for local rank 2: this process sees 2 CUDA device(s)"));
  EXPECT_THAT(device_of(1, {1, "", false}), HasSubstr("expected one for each of the 4 processes"));
}

Variables with(Variables variables, const Variables& more) {
  for (const auto& [name, value] : more) variables[name] = value;
  return variables;
}

TEST(RankEnvironment, NumbersAtTheirLimits) {
  EXPECT_EQ(read_rank_environment(from(with(kTorchrun, {{"RANK", "0"}, {"LOCAL_RANK", "0"}}))).rank, 0);
  EXPECT_EQ(read_rank_environment(from(with(kTorchrun, {{"MASTER_PORT", "65535"}}))).master_port, 65535);
  EXPECT_EQ(read_rank_environment(from(with(kTorchrun, {{"MASTER_PORT", "1"}}))).master_port, 1);
  EXPECT_THAT(error_of(with(kTorchrun, {{"MASTER_PORT", "65536"}})), HasSubstr("1 to 65535"));
  EXPECT_THAT(error_of(with(kTorchrun, {{"MASTER_PORT", "0"}})), HasSubstr("1 to 65535"));
  EXPECT_THAT(error_of(with(kTorchrun, {{"WORLD_SIZE", "0"}})), HasSubstr("WORLD_SIZE"));
  EXPECT_THAT(error_of(with(kTorchrun, {{"MASTER_ADDR", ""}})), HasSubstr("MASTER_ADDR"));
}

TEST(RankEnvironment, ARunHasItsNameAndATryItsNumber) {
  const RankEnvironment plain = read_rank_environment(from(kTorchrun));
  EXPECT_EQ(plain.run_id, "none");
  EXPECT_EQ(plain.restart_count, 0);
  EXPECT_FALSE(plain.is_alone_on_its_machine);
  const RankEnvironment named =
      read_rank_environment(from(with(kTorchrun, {{"TORCHELASTIC_RUN_ID", "job"},
                                                  {"TORCHELASTIC_RESTART_COUNT", "0"},
                                                  {"TORCHELASTIC_USE_AGENT_STORE", "False"}})));
  EXPECT_EQ(named.run_id, "job");
  EXPECT_FALSE(named.use_agent_store);
}

const Variables kSlurmTask = {{"SLURM_STEP_ID", "0"},
                              {"SLURM_PROCID", "1"},
                              {"SLURM_NTASKS", "5"},
                              {"SLURM_LOCALID", "0"},
                              {"SLURM_JOB_ID", "77"},
                              {"SLURM_STEP_TASKS_PER_NODE", "2(x2),1"},
                              {"SLURM_JOB_NODELIST", "first,second"}};

TEST(RankEnvironment, SlurmsTasksAreThoseOfTheNode) {
  const auto local_size = [](const std::string& node, const std::string& tasks) {
    return read_rank_environment(from(with(kSlurmTask, {{"SLURM_NODEID", node}, {"SLURM_STEP_TASKS_PER_NODE", tasks}})))
        .local_world_size;
  };
  EXPECT_EQ(local_size("0", "2(x2),1"), 2);
  EXPECT_EQ(local_size("1", "2(x2),1"), 2);
  EXPECT_EQ(local_size("2", "2(x2),1"), 1);
  EXPECT_EQ(local_size("0", "3,1,1"), 3);
  EXPECT_EQ(local_size("1", "3,1,1"), 1);
  EXPECT_EQ(local_size("3", "1(x3),2"), 2);
}

TEST(RankEnvironment, SlurmsRanksMeetOnTheFirstHostOrHere) {
  EXPECT_EQ(read_rank_environment(from(kSlurmTask)).master_addr, "first");
  EXPECT_EQ(read_rank_environment(from(with(kSlurmTask, {{"SLURM_STEP_NODELIST", "other[7-9]"}}))).master_addr,
            "other7");
  const RankEnvironment one_machine =
      read_rank_environment(from(with(kSlurmTask, {{"SLURM_NTASKS", "5"}, {"SLURM_STEP_TASKS_PER_NODE", "5"}})));
  EXPECT_EQ(one_machine.master_addr, "127.0.0.1");
  EXPECT_EQ(read_rank_environment(from(with(kSlurmTask, {{"MASTER_ADDR", "10.0.0.9"}}))).master_addr, "10.0.0.9");
  EXPECT_EQ(read_rank_environment(from(with(kSlurmTask, {{"MASTER_PORT", "123"}}))).master_port, 123);
}

TEST(RankEnvironment, PortsOfJobsAndStepsDifferAndLieBelowTheSystems) {
  std::vector<int> ports;
  for (int job = 0; job < 40; ++job)
    for (const char* step : {"0", "1"})
      ports.push_back(read_rank_environment(from(with(kSlurmTask, {{"SLURM_JOB_ID", std::to_string(1000 + job)},
                                                                   {"SLURM_STEP_ID", step}})))
                          .master_port);
  for (const int port : ports) {
    EXPECT_GE(port, 20000);
    EXPECT_LT(port, 32000);
  }
  EXPECT_NE(ports[0], ports[1]) << "two steps of a job";
  std::sort(ports.begin(), ports.end());
  EXPECT_GT(std::unique(ports.begin(), ports.end()) - ports.begin(), 70);
}

TEST(RankEnvironment, OpenMpisJobHasAPort) {
  const Variables here = {{"OMPI_COMM_WORLD_RANK", "1"},
                          {"OMPI_COMM_WORLD_SIZE", "2"},
                          {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                          {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}};
  const auto port = [&](const Variables& more) { return read_rank_environment(from(with(here, more))).master_port; };
  EXPECT_THAT(error_of(here), HasSubstr("MASTER_PORT"));
  EXPECT_EQ(port({{"OMPI_MCA_ess_base_jobid", "a"}}), port({{"OMPI_MCA_ess_base_jobid", "a"}}));
  EXPECT_NE(port({{"OMPI_MCA_ess_base_jobid", "a"}}), port({{"OMPI_MCA_ess_base_jobid", "b"}}));
  EXPECT_NE(port({{"PMIX_NAMESPACE", "a"}}), port({{"PMIX_NAMESPACE", "b"}, {"OMPI_MCA_ess_base_jobid", "a"}}));
  EXPECT_EQ(read_rank_environment(from(with(here, {{"PMIX_NAMESPACE", "a"}}))).master_addr, "127.0.0.1");
}

TEST(Threads, AreCountedAgainstTheCoresOfTheMachine) {
  RankEnvironment environment;
  environment.local_world_size = 3;
  environment.world_size = 12;
  EXPECT_EQ(odd_threads(2, environment, 6, from({})), "");
  EXPECT_THAT(odd_threads(5, environment, 7, from({{"OMP_NUM_THREADS", "4"}})),
              testing::AllOf(HasSubstr("3 rank(s)"), HasSubstr("15 threads on 7 core(s)"),
                             testing::Not(HasSubstr("OMP_NUM_THREADS"))));
  EXPECT_EQ(threads_per_rank(0, environment, 9, from({})), 3);
  EXPECT_EQ(threads_per_rank(0, environment, 2, from({})), 1);
  EXPECT_EQ(threads_per_rank(1, environment, 9, from({{"OMP_NUM_THREADS", "5"}})), 1);
  EXPECT_EQ(threads_per_rank(0, environment, 9, from({{"OMP_NUM_THREADS", "5"}})), 5);
}

}  // namespace
}  // namespace bevgrad
