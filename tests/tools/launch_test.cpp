// Whole runs on several processes, from outside: under our launcher, torchrun, mpirun and Slurm's variables; the run of
// one process; and what becomes of a run whose processes are killed, stopped, cut off or started wrongly.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <cstring>
#include <fstream>
#include <functional>
#include <sstream>
#include <thread>

#include "tensor/ops.h"
#include "train/checkpoint/checkpoint.h"
#include "train/distributed/socket.h"
#include "train/tiny_run.h"

namespace bevgrad {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;
using Words = std::vector<std::string>;
using Variables = std::vector<std::pair<std::string, std::string>>;

std::string read_text(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::stringstream text;
  text << stream.rdbuf();
  return text.str();
}

/// A program that runs; both its streams go into one file.
class Running {
 public:
  explicit Running(const Words& command, const Variables& variables = {}) {
    static int number = 0;
    file_ = TinyData::get().path(fmt::format("output_{}.txt", number++));
    process_ = fork();
    if (process_ != 0) return;
    for (const char* name : {"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT",
                             "OMPI_COMM_WORLD_RANK", "SLURM_PROCID", "OMP_NUM_THREADS"})
      unsetenv(name);
    for (const auto& [name, value] : variables) setenv(name.c_str(), value.c_str(), 1);
    const int out = open(file_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    Words copies = command;
    std::vector<char*> words;
    for (std::string& word : copies) words.push_back(word.data());
    words.push_back(nullptr);
    execvp(words[0], words.data());
    _exit(127);
  }
  ~Running() {
    if (process_ > 0 && status_ < 0) {
      kill(process_, SIGKILL);
      finish();
    }
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  pid_t process() const { return process_; }
  std::string output() const { return read_text(file_); }
  /// 128 + signal where a signal ended it.
  int finish() {
    int status = 0;
    if (status_ < 0 && waitpid(process_, &status, 0) == process_)
      status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return status_;
  }
  /// Waits until the output holds `text`; false after 60 s or at the program's end.
  bool wait_for(const std::string& text) const {
    for (int i = 0; i < 3000; ++i) {
      if (output().find(text) != std::string::npos) return true;
      siginfo_t info = {};
      waitid(P_PID, static_cast<id_t>(process_), &info, WEXITED | WNOHANG | WNOWAIT);
      if (info.si_pid != 0) return output().find(text) != std::string::npos;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return false;
  }

 private:
  std::string file_;
  pid_t process_ = -1;
  int status_ = -1;
};

/// `bevgrad run` of a tiny config; every step is logged.
Words tiny_run(const std::string& work_dir, const Words& sets, const std::string& config = "mini_step1") {
  Words words = {BEVGRAD_BINARY, "run", "--config", config, "--work-dir", work_dir, "--threads", "1"};
  Words all = tiny_settings();
  all.insert(all.end(), {"data.root=" + TinyData::get().root(), "train.log_interval=1", "train.lr_scaling=none",
                         "train.num_workers=1", "distributed.timeout=30"});
  all.insert(all.end(), sets.begin(), sets.end());
  for (const std::string& set : all) words.insert(words.end(), {"--set", set});
  return words;
}

Words launched(int ranks, const Words& program, const Words& flags = {}) {
  Words words = {BEVGRAD_BINARY, "launch", "--nproc-per-node", std::to_string(ranks), "--grace", "5"};
  words.insert(words.end(), flags.begin(), flags.end());
  words.push_back("--");
  words.insert(words.end(), program.begin(), program.end());
  return words;
}

int run(const Words& command, std::string* output = nullptr, const Variables& variables = {}) {
  Running running(command, variables);
  const int status = running.finish();
  if (output) *output = running.output();
  if (status != 0 && !output) ADD_FAILURE() << running.output();
  return status;
}

std::string path(const std::string& name) {
  return TinyData::get().path(name);
}

Checkpoint last_checkpoint(const std::string& work_dir, int step) {
  return load_checkpoint(fmt::format("{}/checkpoints/step_{:08}.h5", work_dir, step));
}

void expect_same_bits(const Checkpoint& a, const Checkpoint& b) {
  ASSERT_EQ(a.state_dict.size(), b.state_dict.size());
  for (size_t i = 0; i < a.state_dict.size(); ++i) {
    const Tensor x = ops::contiguous(a.state_dict[i].second), y = ops::contiguous(b.state_dict[i].second);
    EXPECT_EQ(std::memcmp(x.raw_data(), y.raw_data(), x.nbytes()), 0) << a.state_dict[i].first;
  }
}

/// The stated tolerance between numbers of ranks, after a few steps: 1e-3 of a value and 1e-4.
void expect_close(const Checkpoint& a, const Checkpoint& b) {
  ASSERT_EQ(a.state_dict.size(), b.state_dict.size());
  for (size_t i = 0; i < a.state_dict.size(); ++i) {
    const std::vector<double> x = a.state_dict[i].second.to_vector(), y = b.state_dict[i].second.to_vector();
    double worst = 0;
    for (size_t j = 0; j < x.size(); ++j) worst = std::max(worst, std::abs(x[j] - y[j]) - 1e-3 * std::abs(x[j]));
    EXPECT_LT(worst, 1e-4) << a.state_dict[i].first;
  }
}

Words steps(int count, int batch, const Words& more = {}) {
  Words sets = {fmt::format("train.train_steps={}", count), fmt::format("train.batch_size={}", batch)};
  sets.insert(sets.end(), more.begin(), more.end());
  return sets;
}

/// Six steps of one process with a batch of four.
const std::string& run_of_one() {
  static const std::string folder = [] {
    const std::string work_dir = path("one");
    EXPECT_EQ(run(tiny_run(work_dir, steps(6, 4))), 0);
    return work_dir;
  }();
  return folder;
}

TEST(Ranks, GiveTheRunOfOneRank) {
  for (const int ranks : {2, 4}) {
    const std::string work_dir = path(fmt::format("of_{}", ranks));
    std::string output;
    ASSERT_EQ(run(launched(ranks, tiny_run(work_dir, steps(6, 4 / ranks))), &output), 0) << output;
    EXPECT_THAT(output, AllOf(HasSubstr("exposed"), Not(HasSubstr("[rank1]"))));  // one log
    expect_close(last_checkpoint(run_of_one(), 6), last_checkpoint(work_dir, 6));
  }
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

/// An unbroken run on two ranks, checkpoints every two steps.
const Words kLong = steps(12, 1, {"train.checkpoint_interval=2", "train.keep_checkpoints=20"});
const std::string& unbroken() {
  static const std::string folder = [] {
    const std::string work_dir = path("unbroken");
    EXPECT_EQ(run(launched(2, tiny_run(work_dir, kLong))), 0);
    return work_dir;
  }();
  return folder;
}

/// The processes of a launcher, in the order of their ranks.
std::vector<pid_t> children_of(pid_t launcher) {
  std::istringstream stream(read_text(fmt::format("/proc/{0}/task/{0}/children", launcher)));
  std::vector<pid_t> children;
  for (pid_t child; stream >> child;) children.push_back(child);
  return children;
}

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
  fs::copy_file(BEVGRAD_BINARY, other);
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
  EXPECT_THAT(output, AllOf(HasSubstr("step_0"), HasSubstr("rank0")));
}

TEST(Launch, WrongVariablesAreNamedOneByOne) {
  const Variables right = {{"RANK", "0"},
                           {"LOCAL_RANK", "0"},
                           {"WORLD_SIZE", "2"},
                           {"LOCAL_WORLD_SIZE", "2"},
                           {"MASTER_ADDR", "127.0.0.1"},
                           {"MASTER_PORT", "29511"}};
  const Words words = tiny_run(path("variables"), steps(2, 1, {"distributed.timeout=1"}));
  for (const auto& [name, value] : right) {
    for (const std::string wrong : {"", "x", "-1", "99999999999"}) {
      if (name == "MASTER_ADDR" && wrong != "") continue;
      Variables variables;
      for (const auto& [other, kept] : right) variables.emplace_back(other, other == name ? wrong : kept);
      std::string output;
      EXPECT_EQ(run(words, &output, variables), 2) << name << "=" << wrong;
      EXPECT_THAT(output, HasSubstr(name));
    }
  }
}

TEST(Launch, MistakesInTheCall) {
  std::string output;
  EXPECT_EQ(run({BEVGRAD_BINARY, "launch", "--nproc-per-node", "0", "--", "true"}, &output), 2);
  EXPECT_THAT(output, HasSubstr("--nproc-per-node"));
  EXPECT_EQ(run({BEVGRAD_BINARY, "launch", "--nproc_per_node", "2"}, &output), 2);
  EXPECT_THAT(output, HasSubstr("PROGRAM"));
  EXPECT_EQ(run(launched(1, {"/no/such/program"}), &output), 2);
  EXPECT_THAT(output, HasSubstr("/no/such/program"));
  EXPECT_EQ(run(launched(2, {"true"}, {"--nnodes", "1:4"}), &output), 2);
  EXPECT_EQ(run(launched(2, {"true"}, {"--nnodes", "2", "--node-rank", "2"}), &output), 2);
  EXPECT_EQ(run(launched(2, {"sh", "-c", "exit 7"}), &output), 7);
  EXPECT_THAT(output, HasSubstr("exit status 7"));
}

TEST(Launch, OutputHasPrefixesAndGoesToFiles) {
  const std::string folder = path("logs");
  std::string output;
  ASSERT_EQ(run(launched(2, {"sh", "-c", "echo I am $RANK of $WORLD_SIZE; echo bad $LOCAL_RANK >&2; printf unfinished"},
                         {"--log-dir", folder}),
                &output),
            0);
  EXPECT_THAT(output, AllOf(HasSubstr("[rank0] I am 0 of 2\n"), HasSubstr("[rank1] I am 1 of 2\n"),
                            HasSubstr("[rank1] bad 1\n"), HasSubstr("[rank0] unfinished\n")));
  EXPECT_EQ(read_text(folder + "/attempt_0/rank1.out"), "I am 1 of 2\nunfinished\n");
  EXPECT_EQ(read_text(folder + "/attempt_0/rank1.err"), "bad 1\n");
}

TEST(Launch, TheErrorFileOfTheFirstToFailIsShown) {
  std::string output;
  const std::string script =
      "if [ $RANK = 1 ]; then echo '{\"message\": {\"message\": \"the real cause\", \"extraInfo\": {\"timestamp\": "
      "\"100\"}}}' "
      "> $TORCHELASTIC_ERROR_FILE; sleep 0.3; exit 3; else sleep 20; fi";
  EXPECT_EQ(run(launched(2, {"sh", "-c", script}), &output), 3);
  EXPECT_THAT(output, AllOf(HasSubstr("rank1"), HasSubstr("exit status 3"), HasSubstr("the real cause")));
}

TEST(Launch, ChildrenOfChildrenGoToo) {
  const std::string file = path("grandchild");
  std::string output;
  EXPECT_EQ(run(launched(2, {"sh", "-c",
                             "sleep 1000 & echo $! > " + file + ".$RANK; if [ $RANK = 0 ]; then while [ ! -s " + file +
                                 ".1 ]; do sleep 0.05; done; exit 4; fi; wait"}),
                &output),
            4);
  for (const std::string rank : {"0", "1"}) {
    const pid_t child = std::atoi(read_text(file + "." + rank).c_str());
    ASSERT_GT(child, 1);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT_TRUE(read_text(fmt::format("/proc/{}/cmdline", child)).empty());
  }
}

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

/// Two machines: network namespaces with a cable between them.
class TwoMachines : public testing::Test {
 protected:
  void SetUp() override {
    const std::string make =
        "ip netns add bevgrad_a && ip netns add bevgrad_b && "
        "ip link add bevgrad_va netns bevgrad_a type veth peer name bevgrad_vb netns bevgrad_b && "
        "ip -n bevgrad_a addr add 10.77.0.1/24 dev bevgrad_va && ip -n bevgrad_b addr add 10.77.0.2/24 dev bevgrad_vb "
        "&& "
        "for n in a b; do ip -n bevgrad_$n link set lo up; ip -n bevgrad_$n link set bevgrad_v$n up; done";
    if (std::system(("(" + make + ") >/dev/null 2>&1").c_str()) != 0)
      GTEST_SKIP() << "SKIPPED: two network namespaces need root and iproute2";
  }
  void TearDown() override { std::system("ip netns del bevgrad_a 2>/dev/null; ip netns del bevgrad_b 2>/dev/null"); }
  static Words on(const std::string& machine, int node, const Words& program, const Words& more = {}) {
    Words words = {"ip", "netns", "exec", "bevgrad_" + machine};
    Words flags = {"--nnodes", "2", "--node-rank", std::to_string(node), "--rdzv-endpoint", "10.77.0.1:29533"};
    flags.insert(flags.end(), more.begin(), more.end());
    const Words launch = launched(1, program, flags);
    words.insert(words.end(), launch.begin(), launch.end());
    return words;
  }
};

TEST_F(TwoMachines, TrainTogetherAndOneIsStartedAgain) {
  const std::string work_dir = path("machines");
  const Words program = tiny_run(work_dir, kLong);
  Running a(on("a", 0, program, {"--max-restarts", "1"})), b(on("b", 1, program, {"--max-restarts", "1"}));
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
  Running a(on("a", 0, program, {"--timeout", "6"})), b(on("b", 1, program, {"--timeout", "6"}));
  ASSERT_TRUE(a.wait_for("train 3/12")) << a.output() << b.output();
  std::system("ip -n bevgrad_a link set bevgrad_va down");
  const auto start = std::chrono::steady_clock::now();
  EXPECT_NE(a.finish(), 0);
  EXPECT_NE(b.finish(), 0);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60));
  EXPECT_THAT(a.output(), AllOf(HasSubstr("rank 0 at step"), HasSubstr("rank 1")));
  EXPECT_THAT(b.output(), AllOf(HasSubstr("rank 1 at step"), HasSubstr("rank 0")));
}

}  // namespace
}  // namespace bevgrad
