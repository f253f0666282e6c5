// What becomes of a run whose processes are killed, stopped, cut off or started wrongly.
#include "launched_runs.h"
#include "support/paths.h"
#include "train/work_dir.h"

namespace bevgrad {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(Faults, AKilledRankIsStartedAgainAndTheBitsAreThoseOfAnUnbrokenRun) {
  for (const size_t victim : {0, 1}) {
    const std::string work_dir = path(fmt::format("killed_{}", victim));
    Running running(launched(2, tiny_run(work_dir, kLong), {"--max-restarts", "1"}));
    ASSERT_TRUE(running.wait_for(victim == 0 ? "train 5/12" : "train 8/12")) << running.output();
    const std::vector<pid_t> ranks = children_of(running.process());
    ASSERT_EQ(ranks.size(), 2u);
    kill(ranks[victim], SIGKILL);
    EXPECT_EQ(running.finish(), 0) << running.output();
    EXPECT_THAT(running.output(), AllOf(HasSubstr(fmt::format("rank{}", victim)), HasSubstr("signal 9"),
                                        HasSubstr("starting again (1 of 1)"), HasSubstr("resumed from")));
    expect_same_bits(last_checkpoint(unbroken(), 12), last_checkpoint(work_dir, 12));
  }
}

TEST(Faults, WithoutRestartsTheOthersEndAndTheCheckpointIsWhole) {
  const std::string work_dir = path("not_restarted");
  Running running(launched(3, tiny_run(work_dir, kLong)));
  ASSERT_TRUE(running.wait_for("train 5/12")) << running.output();
  const std::vector<pid_t> ranks = children_of(running.process());
  ASSERT_EQ(ranks.size(), 3u);
  kill(ranks[2], SIGKILL);
  EXPECT_EQ(running.finish(), 128 + SIGKILL);
  EXPECT_THAT(running.output(), AllOf(HasSubstr("rank 2"), HasSubstr("step ")));
  EXPECT_EQ(last_checkpoint(work_dir, 4).global_step, 4);
  for (const pid_t rank : ranks) EXPECT_NE(kill(rank, 0), 0) << "process " << rank << " is still there";
}

TEST(Faults, AStoppedRankIsNoticedWithinTheTimeout) {
  Words sets = kLong;
  sets.push_back("distributed.timeout=2");
  Running running(launched(2, tiny_run(path("stopped"), sets)));
  ASSERT_TRUE(running.wait_for("train 3/12")) << running.output();
  const std::vector<pid_t> ranks = children_of(running.process());
  ASSERT_EQ(ranks.size(), 2u);
  kill(ranks[1], SIGSTOP);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(running.finish(), 1) << running.output();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
  EXPECT_THAT(running.output(), AllOf(HasSubstr("nothing from rank 1 within 2 s"),
                                      HasSubstr("no sign of life from rank 1"), HasSubstr("rank 0 at step")));
  // What each rank did last, of the one that hangs too.
  const std::string record = read_text(path("stopped") + "/flight_rank0.json");
  EXPECT_THAT(running.output(), HasSubstr("the last collectives are in " + path("stopped") + "/flight_rank0.json"));
  EXPECT_THAT(record, AllOf(HasSubstr("\"rank\": 1"), HasSubstr("\"gives_signs_of_life\": false"),
                            HasSubstr("\"call\": \"all_reduce of "), HasSubstr("\"ended\": ")));
  EXPECT_GT(std::count(record.begin(), record.end(), '{'), 20);
}

TEST(Faults, TheLauncherTakesItsProcessesAlong) {
  Running running(launched(2, tiny_run(path("launcher"), kLong)));
  ASSERT_TRUE(running.wait_for("train 2/12")) << running.output();
  const std::vector<pid_t> ranks = children_of(running.process());
  kill(running.process(), SIGKILL);
  running.finish();
  for (const pid_t rank : ranks) {
    for (int i = 0; i < 200 && fs::exists(fmt::format("/proc/{}/exe", rank)) &&
                    !read_text(fmt::format("/proc/{}/cmdline", rank)).empty();
         ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_TRUE(read_text(fmt::format("/proc/{}/cmdline", rank)).empty()) << rank;
  }
}

TEST(Faults, SignalsArePassedOnAndTheRunGoesOnFromThere) {
  for (const auto& [number, status] : {std::pair{SIGINT, 130}, std::pair{SIGTERM, 143}}) {
    const std::string work_dir = path(fmt::format("signal_{}", number));
    Running running(launched(2, tiny_run(work_dir, kLong)));
    ASSERT_TRUE(running.wait_for("train 3/12")) << running.output();
    kill(running.process(), number);
    EXPECT_EQ(running.finish(), status) << running.output();
    EXPECT_THAT(running.output(), HasSubstr("go on with --resume auto"));
    Words again = tiny_run(work_dir, kLong);
    again.insert(again.end(), {"--resume", "auto"});
    ASSERT_EQ(run(launched(2, again)), 0);
    expect_same_bits(last_checkpoint(unbroken(), 12), last_checkpoint(work_dir, 12));
  }
}

TEST(Faults, AQueuesWarningSavesAndEnds) {
  const std::string work_dir = path("warned");
  Running running(launched(2, tiny_run(work_dir, kLong), {"--max-restarts", "3"}));
  ASSERT_TRUE(running.wait_for("train 3/12")) << running.output();
  kill(running.process(), SIGUSR1);
  EXPECT_EQ(running.finish(), 128 + SIGUSR1) << running.output();
  EXPECT_THAT(running.output(), AllOf(HasSubstr("SIGUSR1"), HasSubstr("go on with --resume auto"),
                                      ::testing::Not(HasSubstr("starting again"))));
  Words again = tiny_run(work_dir, kLong);
  again.insert(again.end(), {"--resume", "auto"});
  ASSERT_EQ(run(launched(2, again)), 0);
  expect_same_bits(last_checkpoint(unbroken(), 12), last_checkpoint(work_dir, 12));
}

TEST(Faults, RanksSaveAndEndWhenTheirAgentIsGone) {
  const std::string work_dir = path("agent"), output = path("agent.txt");
  // A shell between, so that the ranks do not die with the launcher; their steps are many.
  std::string command = "setsid";
  for (const std::string& word : tiny_run(work_dir, steps(100000, 1))) command += " '" + word + "'";
  Running running(launched(2, {"sh", "-c", command + " >> " + output + " 2>&1; true"}));
  for (int i = 0; i < 3000 && read_text(output).find("train 3/") == std::string::npos; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  kill(running.process(), SIGKILL);
  running.finish();
  for (int i = 0; i < 3000 && read_text(output).find("--resume auto") == std::string::npos; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_THAT(read_text(output), AllOf(HasSubstr("launcher"), HasSubstr("saved"), HasSubstr("--resume auto")));
  EXPECT_FALSE(WorkDir(work_dir).checkpoints().empty());
}

TEST(Faults, OtherDataOnARankIsNamed) {
  for (const char* change : {"sort -r", "head -n 4"}) {
    std::string words;
    for (const std::string& word : tiny_run("work", steps(3, 1, {"data.root=data"}))) words += " '" + word + "'";
    const std::string folder = path(fmt::format("other_data_{}", change));
    for (const int rank : {0, 1}) {
      const std::string here = fmt::format("{}/{}", folder, rank);
      fs::create_directories(here);
      fs::copy(TinyData::get().root(), here + "/data", fs::copy_options::recursive);
    }
    const std::string list = folder + "/1/data/train.txt";
    ASSERT_EQ(std::system(fmt::format("{0} '{1}' > '{1}.new' && mv '{1}.new' '{1}'", change, list).c_str()), 0);
    std::string output;
    EXPECT_EQ(run(launched(2, {"sh", "-c", fmt::format("cd '{}'/$RANK && exec{}", folder, words)}), &output), 1);
    // Both ranks find it; the launcher may end one before it has said so.
    EXPECT_THAT(output, AllOf(HasSubstr("bevgrad: rank 1 (process"), HasSubstr("reads other"), HasSubstr("on rank 0")))
        << output;
  }
}

TEST(Faults, TwoRunsInOneFolderAreNoticed) {
  const std::string work_dir = path("shared_folder");
  Running first(tiny_run(work_dir, steps(100000, 1)));
  ASSERT_TRUE(first.wait_for("train 1/")) << first.output();
  std::string output;
  EXPECT_NE(run(launched(2, tiny_run(work_dir, kLong), {"--max-restarts", "2"}), &output), 0) << output;
  EXPECT_THAT(output, HasSubstr(fmt::format("another run works in this folder: process {}", first.process())));
  kill(first.process(), SIGTERM);
  EXPECT_EQ(first.finish(), 143);
}

/// Two ranks without a launcher, so that each can be started in its own way.
struct Pair {
  Pair(const Words& first, const Words& second, const Variables& more_first = {}, const Variables& more_second = {})
      : port(std::to_string(listen_on({"127.0.0.1", 0}).local().port)),
        zero(first, variables("0", more_first)),
        one(second, variables("1", more_second)) {}
  Variables variables(const std::string& rank, const Variables& more) const {
    Variables all = {{"RANK", rank},
                     {"LOCAL_RANK", rank},
                     {"WORLD_SIZE", "2"},
                     {"LOCAL_WORLD_SIZE", "2"},
                     {"MASTER_ADDR", "127.0.0.1"},
                     {"MASTER_PORT", port}};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  std::string port;
  Running zero, one;
};

TEST(Faults, AnotherConfigIsRefusedByBoth) {
  Pair pair(tiny_run(path("config_a"), steps(3, 1)), tiny_run(path("config_a"), steps(3, 1, {"train.gamma=0.3"})));
  EXPECT_EQ(pair.zero.finish(), 1);
  EXPECT_EQ(pair.one.finish(), 1);
  for (const std::string& output : {pair.zero.output(), pair.one.output()})
    EXPECT_THAT(output, AllOf(HasSubstr("rank 1"), HasSubstr("another config"), HasSubstr("gamma")));
}

TEST(Faults, AnotherBuildIsRefusedByBoth) {
  const std::string other = path("other_build");
  fs::copy_file(testing::bevgrad_binary(), other);
  std::ofstream(other, std::ios::app | std::ios::binary) << "changed";
  const Words words = tiny_run(path("build"), steps(3, 1));
  Words changed = words;
  changed[0] = other;
  Pair pair(words, changed, {{"GOMP_SPINCOUNT", "2000"}}, {{"GOMP_SPINCOUNT", "2000"}});
  EXPECT_EQ(pair.zero.finish(), 1);
  EXPECT_EQ(pair.one.finish(), 1);
  EXPECT_THAT(pair.zero.output(), AllOf(HasSubstr("rank 1"), HasSubstr("another build")));
  EXPECT_EQ(pair.zero.output().find('\n'), pair.zero.output().size() - 1);  // one line
}

TEST(Faults, ARankThatDoesNotComeIsNamed) {
  const std::string port = std::to_string(listen_on({"127.0.0.1", 0}).local().port);
  std::string output;
  const Variables variables = {{"RANK", "0"},
                               {"LOCAL_RANK", "0"},
                               {"WORLD_SIZE", "2"},
                               {"LOCAL_WORLD_SIZE", "2"},
                               {"MASTER_ADDR", "127.0.0.1"},
                               {"MASTER_PORT", port}};
  EXPECT_EQ(run(tiny_run(path("late"), steps(3, 1, {"distributed.timeout=1"})), &output, variables), 1);
  EXPECT_THAT(output, HasSubstr("rank 1 has not come within 1 s"));
}

TEST(Faults, AFullDiskEndsAllAndLeavesWholeCheckpoints) {
  const std::string disk = path("disk");
  fs::create_directories(disk);
  if (std::system(fmt::format("mount -t tmpfs -o size=1600k tmpfs {} 2>/dev/null", disk).c_str()) != 0)
    GTEST_SKIP() << "SKIPPED: no right to mount a small disk";
  Running running(launched(2, tiny_run(disk + "/w", kLong)));
  const int status = running.finish();
  const std::string output = running.output();
  int whole = 0;
  for (const auto& entry : fs::directory_iterator(disk + "/w/checkpoints")) {
    if (entry.path().extension() != ".h5") continue;
    EXPECT_NO_THROW(load_checkpoint(entry.path().string())) << entry.path();
    ++whole;
  }
  std::system(fmt::format("umount -l {}", disk).c_str());
  EXPECT_EQ(status, 1) << output;
  EXPECT_GT(whole, 0) << output;
  // Whichever file met the end of the disk first.
  EXPECT_THAT(output, AllOf(HasSubstr(disk + "/w/"), HasSubstr("disk full?"), HasSubstr("rank0")));
}

// The disk fills up in the middle of a run, and has room again before its end.
TEST(Faults, AFullDiskForAWhileLosesNothingButCheckpoints) {
  const std::string disk = path("disk_for_a_while");
  fs::create_directories(disk);
  if (std::system(fmt::format("mount -t tmpfs -o size=12m tmpfs {} 2>/dev/null", disk).c_str()) != 0)
    GTEST_SKIP() << "SKIPPED: no right to mount a small disk";
  const Words sets = steps(200, 1, {"train.checkpoint_interval=2"});
  Running running(launched(2, tiny_run(disk + "/w", sets)));
  EXPECT_TRUE(running.wait_for("train 5/200")) << running.output();
  std::system(fmt::format("cat /dev/zero > {}/ballast 2>/dev/null", disk).c_str());
  EXPECT_TRUE(running.wait_for("the run goes on")) << running.output();
  const size_t at = running.output().rfind("train ");
  const int full_at = std::atoi(running.output().c_str() + at + 6);
  EXPECT_TRUE(running.wait_for(fmt::format("train {}/200", full_at + 10))) << running.output();
  fs::remove(disk + "/ballast");
  const int status = running.finish();
  const std::string output = running.output();
  const int64_t step =
      fs::exists(disk + "/w/checkpoints/step_00000200.h5") ? last_checkpoint(disk + "/w", 200).global_step : -1;
  const std::string numbers = read_text(disk + "/w/scalars.csv");
  std::system(fmt::format("umount -l {}", disk).c_str());
  EXPECT_EQ(status, 0) << output;
  EXPECT_EQ(step, 200);
  EXPECT_THAT(numbers,
              AllOf(::testing::StartsWith("step,time,name,value\n1,"), HasSubstr("\n200,"), ::testing::EndsWith("\n")));
}

TEST(Faults, AConsoleThatIsFullEndsNothing) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "SKIPPED: there is no /dev/full";
  const std::string work_dir = path("full_console");
  std::string command;
  for (const std::string& word : tiny_run(work_dir, steps(3, 1))) command += "'" + word + "' ";
  EXPECT_EQ(run({"sh", "-c", command + "> /dev/full 2> /dev/full"}), 0);
  EXPECT_EQ(last_checkpoint(work_dir, 3).global_step, 3);
}

}  // namespace
}  // namespace bevgrad
