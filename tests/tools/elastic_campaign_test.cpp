// A run whose machines join, leave, vanish and fail at random moments. Each of its rounds is computed again on as many
// ranks of one launcher, from the checkpoint that it began with, and must have left the same bits.
#include <functional>
#include <map>
#include <memory>
#include <random>

#include "tools/elastic_launchers.h"

namespace bevgrad {
namespace {

using Clock = std::chrono::steady_clock;

int number_of(const char* variable, int otherwise) {
  const char* text = std::getenv(variable);
  return text ? std::atoi(text) : otherwise;
}

constexpr int kSteps = 150;

/// A run whose checkpoints all stay.
Words program(const std::string& work_dir, int interval, bool resumes) {
  Words words = tiny_run(work_dir, steps(kSteps, 1,
                                         {fmt::format("train.checkpoint_interval={}", interval),
                                          "train.keep_checkpoints=1000", "distributed.timeout=8"}));
  if (resumes) words.insert(words.end(), {"--resume", "auto"});
  return words;
}

/// The steps that one set of machines made.
struct Round {
  int ranks = 0;
  int from = 0, last_logged = -1;
};

std::vector<Round> rounds_in(const std::string& work_dir) {
  std::vector<Round> rounds;
  std::istringstream log(read_text(work_dir + "/train.log"));
  for (std::string line; std::getline(log, line);) {
    const auto number_behind = [&](const std::string& words) {
      const size_t at = line.find(words);
      return at == std::string::npos ? -1 : std::atoi(line.c_str() + at + words.size());
    };
    if (line.find(" config ") != std::string::npos) {
      const size_t comma = line.rfind(", ", line.find(" rank(s), batch"));
      rounds.push_back({std::atoi(line.c_str() + comma + 2)});
    }
    if (rounds.empty()) continue;
    if (line.find("resumed from") != std::string::npos)
      rounds.back().from = rounds.back().last_logged = number_behind(" at step ");
    rounds.back().last_logged = std::max(rounds.back().last_logged, number_behind(" train "));
  }
  // Some were over before they began.
  std::erase_if(rounds, [](const Round& round) { return round.last_logged < 0; });
  return rounds;
}

std::string checkpoint_of(const std::string& work_dir, int step) {
  return fmt::format("{}/checkpoints/step_{:08}.h5", work_dir, step);
}

class KillCampaignOfMachines : public ::testing::Test {
 protected:
  KillCampaignOfMachines() : random_(static_cast<unsigned>(number_of("BEVGRAD_KILL_SEED", 1))) {}
  void SetUp() override {
    if (own_address().empty()) GTEST_SKIP() << "SKIPPED: this machine has no address but the loopback one";
  }
  void TearDown() override {
    for (const auto& [name, count] : events_) std::printf("%d x %s; ", count, name.c_str());
    std::printf("%d rounds compared\n", compared_);
  }

  size_t draw_index(size_t count) { return std::uniform_int_distribution<size_t>(0, count - 1)(random_); }
  void pause(double most) {
    std::this_thread::sleep_for(std::chrono::duration<double>(std::uniform_real_distribution<>(0, most)(random_)));
  }
  static bool has_ended(const Running& running) {
    siginfo_t info = {};
    waitid(P_PID, static_cast<id_t>(running.process()), &info, WEXITED | WNOHANG | WNOWAIT);
    return info.si_pid != 0;
  }

  /// The machines of a run; the first one serves the store.
  struct Machines {
    std::unique_ptr<Running> first;
    std::vector<std::unique_ptr<Running>> others;
  };

  void disturb(Machines& machines, const std::function<std::unique_ptr<Running>()>& another) {
    auto& others = machines.others;
    std::erase_if(others, [](const auto& launcher) { return has_ended(*launcher); });
    if (others.empty() || (others.size() < 2 && draw_index(2) == 0)) {
      ++events_["a machine joins"];
      others.push_back(another());
      // Until then it would take the place of a first one that is gone.
      others.back()->wait_for("bevgrad launch: machine ");
      return;
    }
    const Running& one = *others[draw_index(others.size())];
    const size_t what = draw_index(5);
    if (what == 0) {
      ++events_["a machine leaves"];
      kill(one.process(), SIGTERM);
    } else if (what == 1) {
      ++events_["a machine is gone"];
      kill(one.process(), SIGKILL);
    } else if (what == 2) {
      ++events_["the first machine is gone"];
      kill(machines.first->process(), SIGKILL);
    } else {
      const std::vector<pid_t> ranks = children_of((what == 3 ? one : *machines.first).process());
      if (ranks.empty()) return;
      ++events_["a rank killed"];
      kill(ranks[0], SIGKILL);
    }
  }

  void run_to_the_end(const std::string& work_dir) {
    size_t left = 3 + draw_index(4);
    std::string output;
    for (int start = 0; start < 8; ++start) {
      const std::string port = unused_port();
      // One that comes after the end would begin the run anew, were it not to resume.
      const auto another = [&] {
        return std::make_unique<Running>(
            machine(port, program(work_dir, 1, true), "1:3", {"--timeout", "5", "--max-restarts", "9"}));
      };
      Machines machines = {another(), {}};
      ASSERT_TRUE(machines.first->wait_for("machine 0 of")) << machines.first->output();
      for (; left > 0 && !has_ended(*machines.first); --left) {
        pause(8);
        // Behind the end of a run a launcher on its address begins another one.
        if (!has_ended(*machines.first)) disturb(machines, another);
      }
      const int status = machines.first->finish();
      for (const auto& launcher : machines.others) launcher->finish();
      if (status == 0) return;
      output = machines.first->output();
    }
    FAIL() << "did not come to its end; the last try said " << output;
  }

  /// Computes `round` again as far as `to`.
  void compare_round(const std::string& work_dir, const Round& round, int to) {
    SCOPED_TRACE(fmt::format("steps {} to {} on {} rank(s)", round.from, to, round.ranks));
    const std::string again = path("round_again");
    fs::remove_all(again);
    fs::create_directories(again + "/checkpoints");
    if (round.from > 0) fs::copy_file(checkpoint_of(work_dir, round.from), checkpoint_of(again, round.from));
    Running running(launched(round.ranks, program(again, to, round.from > 0)));
    // The next multiple of the interval is a checkpoint for sure: no other one is being written then.
    while (!fs::exists(checkpoint_of(again, to)) && !has_ended(running))
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    kill(running.process(), SIGKILL);
    running.finish();
    ASSERT_TRUE(fs::exists(checkpoint_of(again, to))) << running.output();
    const Checkpoint a = last_checkpoint(work_dir, to), b = last_checkpoint(again, to);
    expect_same_state(a, b);
    EXPECT_EQ(a.optimizer_numbers, b.optimizer_numbers);
    EXPECT_EQ(a.rng, b.rng);
    EXPECT_EQ(a.sampler, b.sampler);
    ++compared_;
  }

  std::mt19937 random_;
  std::map<std::string, int> events_;
  int compared_ = 0;
};

TEST_F(KillCampaignOfMachines, EachRoundLeavesWhatOneLauncherWouldHave) {
  for (int number = 0; number < number_of("BEVGRAD_KILL_RUNS", 1) && !HasFailure(); ++number) {
    SCOPED_TRACE(fmt::format("run {}", number));
    const std::string work_dir = path(fmt::format("machines_{}", number));
    ASSERT_NO_FATAL_FAILURE(run_to_the_end(work_dir));
    const std::vector<Round> rounds = rounds_in(work_dir);
    for (size_t i = 0; i < rounds.size(); ++i) {
      const int to = i + 1 < rounds.size() ? rounds[i + 1].from : kSteps;
      // A step has a checkpoint; those that come while one is being written are left out.
      EXPECT_GE(to, rounds[i].last_logged - 20) << "round " << i;
      if (to > rounds[i].from) compare_round(work_dir, rounds[i], to);
    }
    for (const auto& entry : fs::directory_iterator(work_dir + "/checkpoints"))
      EXPECT_EQ(entry.path().filename().string().find(".tmp-"), std::string::npos) << entry.path();
    if (!HasFailure()) fs::remove_all(work_dir);
  }
}

}  // namespace
}  // namespace bevgrad
