// Runs that are killed at random moments, again and again, until they have come to their end: what they leave is what
// the unbroken run left, bit for bit. One short round by default; scripts/kill_campaign.sh makes as many as one likes.
#include <sys/mount.h>

#include <functional>
#include <map>
#include <random>
#include <set>

#include "tools/launched_runs.h"

namespace bevgrad {
namespace {

using Clock = std::chrono::steady_clock;

int number_of(const char* variable, int otherwise) {
  const char* text = std::getenv(variable);
  return text ? std::atoi(text) : otherwise;
}

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// What is trained, and how.
struct Kind {
  std::string name;
  std::string config;
  Words sets;
  int ranks = 2;
  bool has_cache = false;  // filled anew by each run
};

enum class Hit { Rank, WhileWriting, Launcher, Terminate, Warning, Stop };
constexpr std::pair<Hit, const char*> kHits[] = {
    {Hit::Rank, "a rank killed"},       {Hit::WhileWriting, "a rank killed while a file was written"},
    {Hit::Launcher, "launcher killed"}, {Hit::Terminate, "SIGTERM"},
    {Hit::Warning, "SIGUSR1"},          {Hit::Stop, "a rank stopped"}};

bool is_written(const std::string& folder) {
  std::error_code error;
  for (fs::recursive_directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
    if (entry->path().filename().string().find(".tmp-") != std::string::npos) return true;
  return false;
}

std::set<std::string> names_in(const std::string& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.insert(entry.path().filename().string());
  return names;
}

/// "step loss" of every line of numbers that has a loss.
std::vector<std::string> losses_in(const std::string& work_dir) {
  std::vector<std::string> losses;
  std::istringstream stream(read_text(work_dir + "/scalars.csv"));
  for (std::string line; std::getline(stream, line);) {
    std::istringstream fields(line);
    std::string step, time, name, value;
    std::getline(std::getline(std::getline(std::getline(fields, step, ','), time, ','), name, ','), value, ',');
    if (name == "train/loss") losses.push_back(step + " " + value);
  }
  return losses;
}

class KillCampaign : public ::testing::Test {
 protected:
  KillCampaign() : random_(static_cast<unsigned>(number_of("BEVGRAD_KILL_SEED", 1))) {}

  static int runs() { return number_of("BEVGRAD_KILL_RUNS", 1); }
  double draw(double most) { return std::uniform_real_distribution<double>(0, most)(random_); }
  size_t draw_index(size_t count) { return std::uniform_int_distribution<size_t>(0, count - 1)(random_); }

  static std::string cache_of(const Kind& kind) { return path("killed_cache_" + kind.name); }
  static Words program(const Kind& kind, const std::string& work_dir, bool resumes) {
    Words sets = kind.sets;
    sets.push_back("distributed.timeout=8");
    if (kind.has_cache) sets.insert(sets.end(), {"feature_cache.enabled=true", "feature_cache.dir=" + cache_of(kind)});
    Words words = tiny_run(work_dir, sets, kind.config);
    if (resumes) words.insert(words.end(), {"--resume", "auto"});
    return words;
  }

  /// The run that nobody touches; sets how long it took.
  std::string unbroken_run(const Kind& kind) {
    const std::string work_dir = path("unbroken_" + kind.name);
    fs::remove_all(cache_of(kind));
    const Clock::time_point start = Clock::now();
    EXPECT_EQ(run(launched(kind.ranks, program(kind, work_dir, false))), 0);
    duration_ = seconds_since(start);
    return work_dir;
  }

  /// Hits the run; what follows from it is the caller's.
  void hit(const Running& running, const Kind& kind, const std::string& work_dir) {
    const auto [what, name] = kHits[draw_index(std::size(kHits))];
    const double wait = draw(duration_);
    const Clock::time_point start = Clock::now();
    while (seconds_since(start) < wait) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    if (what == Hit::WhileWriting) {
      const auto writes = [&] { return is_written(work_dir) || (kind.has_cache && is_written(cache_of(kind))); };
      while (seconds_since(start) < wait + duration_ && !writes())
        std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    const std::vector<pid_t> ranks = children_of(running.process());
    ++hits_[name];
    const pid_t launcher = running.process();
    if (what == Hit::Launcher) kill(launcher, SIGKILL);
    if (what == Hit::Terminate) kill(launcher, SIGTERM);
    if (what == Hit::Warning) kill(launcher, SIGUSR1);
    if (ranks.empty()) return;
    // Rank 0 is the one that writes checkpoints.
    const pid_t rank = ranks[what == Hit::WhileWriting && !kind.has_cache ? 0 : draw_index(ranks.size())];
    if (what == Hit::Rank || what == Hit::WhileWriting) kill(rank, SIGKILL);
    if (what == Hit::Stop) kill(rank, SIGSTOP);
  }

  /// A run that is hit up to three times, and started again until it has come to its end.
  std::string killed_run(const Kind& kind, int number, const std::function<void()>& before_resume = {}) {
    const std::string work_dir = path(fmt::format("killed_{}_{}", kind.name, number));
    fs::remove_all(cache_of(kind));
    size_t left = 1 + draw_index(3);
    for (int start = 0; start < 12; ++start) {
      if (start > 0 && before_resume) before_resume();
      Running running(launched(kind.ranks, program(kind, work_dir, start > 0), {"--max-restarts", "9"}));
      for (; left > 0 && !has_ended(running); --left) hit(running, kind, work_dir);
      const int status = running.finish();
      if (status == 0) return work_dir;
      EXPECT_NE(status, 2) << running.output();
      last_output_ = running.output();
    }
    ADD_FAILURE() << kind.name << ": did not come to its end; the last try said " << last_output_;
    return work_dir;
  }
  static bool has_ended(const Running& running) {
    siginfo_t info = {};
    waitid(P_PID, static_cast<id_t>(running.process()), &info, WEXITED | WNOHANG | WNOWAIT);
    return info.si_pid != 0;
  }

  static void expect_same_run(const std::string& whole, const std::string& killed, int steps,
                              const Words& outputs = {"step1.ckpt"}) {
    const Checkpoint a = last_checkpoint(whole, steps), b = last_checkpoint(killed, steps);
    expect_same_state(a, b);
    ASSERT_EQ(a.weight_average.size(), b.weight_average.size());
    for (size_t i = 0; i < a.weight_average.size(); ++i)
      EXPECT_EQ(a.weight_average[i].second.to_vector(), b.weight_average[i].second.to_vector());
    EXPECT_EQ(a.optimizer_numbers, b.optimizer_numbers);
    EXPECT_EQ(a.validation, b.validation);
    EXPECT_EQ(a.rng, b.rng);
    EXPECT_EQ(a.sampler, b.sampler);
    for (const std::string& output : outputs)
      EXPECT_TRUE(read_text(whole + "/" + output) == read_text(killed + "/" + output)) << output;
    EXPECT_EQ(losses_in(whole), losses_in(killed));
    for (const std::string& name : names_in(killed + "/checkpoints"))
      EXPECT_THAT(name, ::testing::Not(::testing::HasSubstr(".tmp-")));
  }

  void campaign(const Kind& kind, int steps, const Words& outputs) {
    const std::string whole = unbroken_run(kind);
    for (int number = 0; number < runs() && !HasFailure(); ++number) {
      SCOPED_TRACE(fmt::format("{}, run {}", kind.name, number));
      const std::string killed = killed_run(kind, number);
      expect_same_run(whole, killed, steps, outputs);
      // What stays of the checkpoints is decided by steps and metrics alone.
      if (kind.name == "validated") {
        EXPECT_EQ(names_in(whole + "/checkpoints"), names_in(killed + "/checkpoints"));
      }
      if (!HasFailure()) fs::remove_all(killed);
    }
  }
  void TearDown() override {
    for (const auto& [name, count] : hits_) std::printf("%d x %s; ", count, name.c_str());
    std::printf("\n");
  }

  std::mt19937 random_;
  double duration_ = 1;
  std::map<std::string, int> hits_;
  std::string last_output_;
};

TEST_F(KillCampaign, SharedOptimizerAndACheckpointAStep) {
  campaign({"sharded", "mini_step1",
            steps(14, 1, {"train.checkpoint_interval=1", "train.ema_decay=0.9", "distributed.shard_optimizer=true"})},
           14, {"step1.ckpt", "step1.average.ckpt"});
}

TEST_F(KillCampaign, ValidationsAndTheBestCheckpoints) {
  campaign({"validated", "mini_step1",
            steps(12, 1,
                  {"train.checkpoint_interval=2", "train.keep_checkpoints=1", "train.keep_best_checkpoints=2",
                   "train.val_interval=3", "train.checkpoint_metric=miou", "eval.max_samples=2",
                   "eval.eval_with_visualize=false"})},
           12, {"step1.ckpt", "best.ckpt"});
}

TEST_F(KillCampaign, AnEmptyFeatureCache) {
  for (const Words& sets : {Words{"feature_cache.storage=float32"},
                            Words{"feature_cache.storage=bfloat16", "feature_cache.fill_first=false"}}) {
    Words all = {"train.train_steps=0", "train.finetune_steps=12", "train.batch_size=1", "train.checkpoint_interval=2"};
    all.insert(all.end(), sets.begin(), sets.end());
    campaign({sets.size() == 1 ? "filled_first" : "filled_later", "mini_step2_static", all, 2, true}, 12,
             {"step2.ckpt"});
  }
}

/// A file system of so many bytes in a folder.
class SmallDisk {
 public:
  SmallDisk(const std::string& folder, size_t bytes) : folder_(folder) {
    fs::create_directories(folder);
    is_there_ = mount("tmpfs", folder.c_str(), "tmpfs", 0, fmt::format("size={}", bytes).c_str()) == 0;
  }
  ~SmallDisk() {
    if (is_there_) umount2(folder_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  bool is_there() const { return is_there_; }
  void resize(size_t bytes) const {
    EXPECT_EQ(mount("tmpfs", folder_.c_str(), "tmpfs", MS_REMOUNT, fmt::format("size={}", bytes).c_str()), 0);
  }

 private:
  std::string folder_;
  bool is_there_ = false;
};

TEST_F(KillCampaign, ADiskThatIsFullForAWhile) {
  const Kind kind = {"full", "mini_step1", steps(12, 1, {"train.checkpoint_interval=1", "train.keep_checkpoints=2"})};
  const std::string whole = unbroken_run(kind);
  const size_t checkpoint = fs::file_size(whole + "/checkpoints/step_00000012.h5");
  for (int number = 0; number < runs() && !HasFailure(); ++number) {
    SCOPED_TRACE(fmt::format("run {}", number));
    // Room for one to five checkpoints: two are kept while a third is written, and the output comes on top.
    const size_t room = checkpoint + static_cast<size_t>(draw(4.0 * static_cast<double>(checkpoint)));
    const SmallDisk disk(path(fmt::format("killed_full_{}", number)), room);
    if (!disk.is_there()) GTEST_SKIP() << "SKIPPED: mounting a small disk needs root";
    const std::string killed = killed_run(kind, number, [&] { disk.resize(20 * checkpoint); });
    const Checkpoint a = last_checkpoint(whole, 12), b = last_checkpoint(killed, 12);
    expect_same_state(a, b);
    EXPECT_TRUE(read_text(whole + "/step1.ckpt") == read_text(killed + "/step1.ckpt"));
  }
}

}  // namespace
}  // namespace bevgrad
