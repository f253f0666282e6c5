// What the tests of whole runs share: programs that run beside the test, tiny runs on one or several processes, and the
// comparison of what they leave.
#pragma once
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "autograd/autograd.h"
#include "distributed/socket.h"
#include "support/paths.h"
#include "tensor/ops.h"
#include "train/checkpoint/checkpoint.h"
#include "train/tiny_run.h"

namespace bevgrad {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;
using Variables = std::vector<std::pair<std::string, std::string>>;

inline std::string read_text(const std::string& path) {
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
  /// Waits until the output holds `text`; false after three minutes or at the program's end.
  bool wait_for(const std::string& text) const {
    for (int i = 0; i < 9000; ++i) {
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
inline Words tiny_run(const std::string& work_dir, const Words& sets, const std::string& config = "mini_step1") {
  Words words = {testing::bevgrad_binary(), "run", "--config", config, "--work-dir", work_dir, "--threads", "1"};
  Words all = tiny_settings();
  all.insert(all.end(), {"data.root=" + TinyData::get().root(), "train.log_interval=1", "train.lr_scaling=none",
                         "train.num_workers=1", "distributed.timeout=30"});
  all.insert(all.end(), sets.begin(), sets.end());
  for (const std::string& set : all) words.insert(words.end(), {"--set", set});
  return words;
}

inline Words launched(int ranks, const Words& program, const Words& flags = {}) {
  Words words = {testing::bevgrad_binary(), "launch", "--nproc-per-node", std::to_string(ranks), "--grace", "5"};
  words.insert(words.end(), flags.begin(), flags.end());
  words.push_back("--");
  words.insert(words.end(), program.begin(), program.end());
  return words;
}

inline int run(const Words& command, std::string* output = nullptr, const Variables& variables = {}) {
  Running running(command, variables);
  const int status = running.finish();
  if (output) *output = running.output();
  if (status != 0 && !output) ADD_FAILURE() << running.output();
  return status;
}

inline std::string path(const std::string& name) {
  return TinyData::get().path(name);
}

inline Checkpoint last_checkpoint(const std::string& work_dir, int step) {
  return load_checkpoint(fmt::format("{}/checkpoints/step_{:08}.h5", work_dir, step));
}

inline void expect_same_bits(const Checkpoint& a, const Checkpoint& b) {
  ASSERT_EQ(a.state_dict.size(), b.state_dict.size());
  for (size_t i = 0; i < a.state_dict.size(); ++i) {
    const Tensor x = ops::contiguous(detach(a.state_dict[i].second)),
                 y = ops::contiguous(detach(b.state_dict[i].second));
    EXPECT_EQ(std::memcmp(x.raw_data(), y.raw_data(), x.nbytes()), 0) << a.state_dict[i].first;
  }
}

/// The optimizer's too.
inline void expect_same_state(const Checkpoint& a, const Checkpoint& b) {
  expect_same_bits(a, b);
  ASSERT_EQ(a.optimizer.size(), b.optimizer.size());
  for (const auto& [kind, entries] : a.optimizer) {
    const StateDict& others = b.optimizer.at(kind);
    ASSERT_EQ(entries.size(), others.size()) << kind;
    for (size_t i = 0; i < entries.size(); ++i) {
      const Tensor x = ops::contiguous(entries[i].second), y = ops::contiguous(others[i].second);
      ASSERT_EQ(entries[i].first, others[i].first);
      ASSERT_EQ(x.nbytes(), y.nbytes());
      EXPECT_EQ(std::memcmp(x.raw_data(), y.raw_data(), x.nbytes()), 0) << kind << " of " << entries[i].first;
    }
  }
}

/// The stated tolerance between numbers of ranks, after a few steps: 1e-3 of a value and 1e-4.
inline void expect_close(const Checkpoint& a, const Checkpoint& b) {
  ASSERT_EQ(a.state_dict.size(), b.state_dict.size());
  for (size_t i = 0; i < a.state_dict.size(); ++i) {
    const std::vector<double> x = a.state_dict[i].second.to_vector(), y = b.state_dict[i].second.to_vector();
    double worst = 0;
    for (size_t j = 0; j < x.size(); ++j) worst = std::max(worst, std::abs(x[j] - y[j]) - 1e-3 * std::abs(x[j]));
    EXPECT_LT(worst, 1e-4) << a.state_dict[i].first;
  }
}

inline Words steps(int count, int batch, const Words& more = {}) {
  Words sets = {fmt::format("train.train_steps={}", count), fmt::format("train.batch_size={}", batch)};
  sets.insert(sets.end(), more.begin(), more.end());
  return sets;
}

/// Six steps of one process with a batch of four.
inline const std::string& run_of_one() {
  static const std::string folder = [] {
    const std::string work_dir = path("one");
    EXPECT_EQ(run(tiny_run(work_dir, steps(6, 4))), 0);
    return work_dir;
  }();
  return folder;
}

/// An unbroken run on two ranks, checkpoints every two steps.
inline const Words kLong = steps(12, 1, {"train.checkpoint_interval=2", "train.keep_checkpoints=20"});
inline const std::string& unbroken() {
  static const std::string folder = [] {
    const std::string work_dir = path("unbroken");
    EXPECT_EQ(run(launched(2, tiny_run(work_dir, kLong))), 0);
    return work_dir;
  }();
  return folder;
}

/// The one folder in a folder; "" where there is none or more than one.
inline std::string only_folder_in(const std::string& parent) {
  std::string found;
  for (const auto& entry : fs::directory_iterator(parent)) {
    if (!found.empty()) return "";
    found = entry.path().string();
  }
  return found;
}

/// The processes of a launcher, in the order of their ranks.
inline std::vector<pid_t> children_of(pid_t launcher) {
  std::istringstream stream(read_text(fmt::format("/proc/{0}/task/{0}/children", launcher)));
  std::vector<pid_t> children;
  for (pid_t child; stream >> child;) children.push_back(child);
  return children;
}

}  // namespace bevgrad
