#include "distributed/launch/agent.h"

#include <fmt/ranges.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <list>
#include <map>
#include <memory>
#include <tuple>

#include "base/error.h"
#include "distributed/agent_link.h"
#include "distributed/launch/error_file.h"
#include "distributed/tcp_store.h"
#include "launch/internal/log_folder.h"
#include "launch/internal/scratch_folder.h"
#include "launch/internal/signal_queue.h"
#include "launch/internal/worker.h"

namespace bevgrad {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kTick{200};
constexpr milliseconds kStoreCall{10000};
constexpr milliseconds kSilence{20000};  // a launcher that gives no sign of life for so long is gone

void say(const std::string& text) {
  std::fflush(stdout);
  fmt::print(stderr, "bevgrad launch: {}\n", text);
}

/// How a try ended.
struct Outcome {
  bool succeeded = false;
  bool may_restart = true;
  int status = 0;
};

class Agent {
 public:
  explicit Agent(const LaunchOptions& options)
      : options_(options), logs_(options.log_dir, options.run_id, options.redirects, options.tee, options.shown_ranks) {
    Endpoint at = {options.master_addr, options.master_port};
    if (options.node_rank == 0) {
      server_ = std::make_unique<StoreServer>(at, options.timeout);
      at.port = server_->endpoint().port;
    }
    port_ = at.port;
    store_ = std::make_unique<StoreClient>(at, options.timeout, std::min(options.timeout, kStoreCall));
    // Who has asked for something keeps its place in a store that is full.
    store_->set(fmt::format("/launch/{}/node/{}", options.run_id, options.node_rank), "here");
    if (!logs_.path().empty()) say(fmt::format("logs are in {}", logs_.path()));
  }

  int run() {
    for (int attempt = 0;; ++attempt) {
      const Outcome outcome = try_once(attempt);
      if (outcome.succeeded || signal_ != 0) {
        leave();
        return signal_ != 0 ? 128 + signal_ : 0;
      }
      if (!outcome.may_restart || attempt >= options_.max_restarts) {
        if (options_.max_restarts > 0)
          say(outcome.may_restart ? fmt::format("{} restart(s) were allowed and are used up", options_.max_restarts)
                                  : "not started again");
        leave();
        return outcome.status;
      }
      say(fmt::format("starting again ({} of {})", attempt + 1, options_.max_restarts));
    }
  }

 private:
  std::string key(int attempt, const std::string& name) const {
    return fmt::format("/launch/{}/{}/{}", options_.run_id, attempt, name);
  }

  void start(int attempt) {
    workers_.clear();
    const int size = options_.nproc_per_node * options_.nnodes;
    for (int local = 0; local < options_.nproc_per_node; ++local) {
      const int rank = options_.node_rank * options_.nproc_per_node + local;
      WorkerOptions worker;
      worker.command = options_.command;
      worker.name = fmt::format("rank{}", rank);
      std::tie(worker.out, worker.error) = logs_.places(attempt, local);
      const auto text = [](int number) { return std::to_string(number); };
      worker.variables = {{"RANK", text(rank)},
                          {"LOCAL_RANK", text(local)},
                          {"WORLD_SIZE", text(size)},
                          {"LOCAL_WORLD_SIZE", text(options_.nproc_per_node)},
                          {"GROUP_RANK", text(options_.node_rank)},
                          {"GROUP_WORLD_SIZE", text(options_.nnodes)},
                          {"ROLE_NAME", "default"},
                          {"ROLE_RANK", text(rank)},
                          {"ROLE_WORLD_SIZE", text(size)},
                          {"MASTER_ADDR", options_.master_addr},
                          {"MASTER_PORT", text(port_)},
                          {"TORCHELASTIC_RESTART_COUNT", text(attempt)},
                          {"TORCHELASTIC_MAX_RESTARTS", text(options_.max_restarts)},
                          {"TORCHELASTIC_RUN_ID", options_.run_id},
                          {"TORCHELASTIC_USE_AGENT_STORE", "True"},
                          {"TORCHELASTIC_ERROR_FILE", error_file(attempt, rank)}};
      workers_.push_back(std::make_unique<Worker>(worker));
    }
  }

  std::string error_file(int attempt, int rank) const {
    return scratch_.file(fmt::format("attempt_{}_rank{}.json", attempt, rank));
  }

  /// Waits for output, a signal or the next tick; then everything that has come is dealt with.
  void turn() {
    std::vector<pollfd> waits = {{signals_.descriptor(), POLLIN, 0}};
    for (const auto& worker : workers_) {
      for (const OutputLines& lines : worker->outputs())
        if (lines.is_open()) waits.push_back({lines.descriptor(), POLLIN, 0});
    }
    poll(waits.data(), waits.size(), static_cast<int>(kTick.count()));
    for (const auto& worker : workers_) {
      for (OutputLines& lines : worker->outputs()) lines.read();
    }
    for (int number = signals_.next(); number != 0; number = signals_.next()) {
      if (number == SIGCHLD) continue;
      if (number == SIGUSR1 || number == SIGUSR2) {
        // Whoever sends it gives the processes as long as they need.
        for (const auto& worker : workers_) worker->signal(number);
        continue;
      }
      const int passed_on = number == SIGHUP ? SIGTERM : number;
      // Twice Ctrl-C: whoever presses it does not want to wait.
      const bool in_a_hurry = signal_ == SIGINT && number == SIGINT;
      signal_ = passed_on;
      stop(in_a_hurry ? SIGKILL : passed_on);
    }
    if (stopping_ && !killed_ && Clock::now() > kill_at_) {
      killed_ = true;
      for (const auto& worker : workers_) {
        if (worker->ended()) continue;
        say(fmt::format("{} did not stop within {} s and is killed", worker->name(),
                        static_cast<double>(options_.grace.count()) / 1000));
        worker->signal(SIGKILL);
      }
    }
    for (const auto& worker : workers_) {
      if (worker->ended() || !worker->reap()) continue;
      for (OutputLines& lines : worker->outputs()) lines.read();
      if (worker->ended_as_asked()) {
        signal_ = worker->status() - 128;
        stop(SIGTERM);  // the others have saved too: none ends before all have
      } else if (worker->status() != 0 && !first_failed_) {
        first_failed_ = worker.get();
      }
    }
  }

  void stop(int number) {
    for (const auto& worker : workers_) {
      worker->signal(number);
      worker->signal(SIGCONT);  // one that was stopped would never see it
    }
    if (stopping_) return;
    stopping_ = true;
    kill_at_ = Clock::now() + options_.grace;
  }

  bool all_ended() const {
    return std::all_of(workers_.begin(), workers_.end(), [](const auto& worker) { return worker->ended(); });
  }

  /// What the processes of this machine said before they failed: the earliest note, and whose it is.
  std::pair<std::string, std::string> earliest_note(int attempt) const {
    std::optional<FailureNote> earliest;
    std::string by;
    for (int local = 0; local < options_.nproc_per_node; ++local) {
      const int rank = options_.node_rank * options_.nproc_per_node + local;
      const std::optional<FailureNote> note = read_error_file(error_file(attempt, rank));
      if (!note || (earliest && earliest->timestamp <= note->timestamp)) continue;
      earliest = note;
      by = fmt::format("rank{}", rank);
    }
    return {earliest ? earliest->message : "", by};
  }

  /// One line about the process that failed first.
  std::string describe_failure(int attempt) const {
    std::string line = fmt::format("{} (process {} on node {}) ended with {}", first_failed_->name(),
                                   first_failed_->process(), options_.node_rank, first_failed_->how_it_ended());
    const auto [message, by] = earliest_note(attempt);
    if (!message.empty()) line += fmt::format("; {} said: {}", by, message);
    return line;
  }

  /// Whether the processes of this machine failed as in the try before, with the same words, and have saved nothing new
  /// in between: then another try would end alike.
  bool fails_again(int attempt) {
    const std::string message = earliest_note(attempt).first;
    std::string saved, lost;
    watch_store([&] { saved = store_->peek(saved_step_key(options_.run_id)); }, lost);
    const std::pair<std::string, std::string> now = {message, saved};
    const bool again = !message.empty() && !saved.empty() && now == last_failure_;
    last_failure_ = now;
    return again;
  }

  Outcome try_once(int attempt) {
    stopping_ = killed_ = false;
    first_failed_ = nullptr;
    bool told = false, finished = false;
    std::string elsewhere;
    start(attempt);
    std::string lost;
    for (;;) {
      turn();
      if (signal_ == 0 && first_failed_ && !told) {
        told = true;
        // A note may be on its way: the process that failed first need not be the one that ended first.
        stop(SIGTERM);
        try {
          store_->compare_set(key(attempt, "failed"), "",
                              fmt::format("{} {}", first_failed_->status() == 2 ? 2 : 1,
                                          fmt::format("{} on node {} ended with {}", first_failed_->name(),
                                                      options_.node_rank, first_failed_->how_it_ended())));
        } catch (const Error&) {
          // The watch below says so.
        }
      }
      if (all_ended()) {
        if (first_failed_ || signal_ != 0 || !elsewhere.empty() || !lost.empty()) break;
        if (!finished)
          watch_store([&] { store_->set(key(attempt, fmt::format("done/{}", options_.node_rank)), "1"); }, lost);
        finished = true;
        if (options_.nnodes == 1) break;
      }
      if (options_.nnodes > 1 && lost.empty()) {
        watch_store([&] { lost = silent_launcher(); }, lost);
        if (elsewhere.empty() && lost.empty())
          watch_store([&] { elsewhere = store_->peek(key(attempt, "failed")); }, lost);
        if (!elsewhere.empty() && !told) {
          say(fmt::format("stopping: {}", elsewhere.substr(2)));
          told = true;
          stop(SIGTERM);
        }
        if (!lost.empty()) {
          say(fmt::format("stopping: {}", lost));
          stop(SIGTERM);
        }
        if (finished && lost.empty() && elsewhere.empty() && all_nodes_done(attempt, lost)) break;
      }
    }
    Outcome outcome;
    outcome.succeeded = !first_failed_ && elsewhere.empty() && lost.empty() && signal_ == 0;
    outcome.status = first_failed_ ? first_failed_->status() : 1;
    const bool is_mistake =
        std::any_of(workers_.begin(), workers_.end(), [](const auto& worker) { return worker->status() == 2; });
    outcome.may_restart = lost.empty() && !is_mistake && !elsewhere.starts_with("2 ");
    if (outcome.succeeded || signal_ != 0) return outcome;
    if (first_failed_) say(describe_failure(attempt));
    if (first_failed_ && fails_again(attempt))
      watch_store([&] { store_->set(key(attempt, "again"), last_failure_.second); }, lost);
    if (lost.empty() && options_.nnodes > 1) meet(attempt, outcome);
    std::string step;
    watch_store([&] { step = store_->peek(key(attempt, "again")); }, lost);
    if (!step.empty() && outcome.may_restart) {
      say(fmt::format("the same failure as in the try before, and {}",
                      step == "-1" ? "no checkpoint yet" : fmt::format("no checkpoint since that of step {}", step)));
      outcome.may_restart = false;
    }
    return outcome;
  }

  template <class Call>
  void watch_store(Call call, std::string& lost) {
    try {
      call();
    } catch (const Error& error) {
      lost = fmt::format("the launcher of node 0 is gone: {}", error.what());
    }
  }

  bool all_nodes_done(int attempt, std::string& lost) {
    bool done = true;
    watch_store(
        [&] {
          for (int node = 0; node < options_.nnodes && done; ++node)
            done = store_->has(key(attempt, fmt::format("done/{}", node)));
        },
        lost);
    return done && lost.empty();
  }

  /// Gives a sign of life, looks for those of the others; says which is missing, or "".
  std::string silent_launcher() {
    const auto now = Clock::now();
    if (now - last_look_ < milliseconds(1000)) return "";
    last_look_ = now;
    store_->set(fmt::format("/launch/{}/beat/{}", options_.run_id, options_.node_rank), std::to_string(++beats_));
    if (started_ == Clock::time_point()) started_ = now;
    for (int node = 0; node < options_.nnodes; ++node) {
      if (node == options_.node_rank) continue;
      const std::string beat = store_->peek(fmt::format("/launch/{}/beat/{}", options_.run_id, node));
      auto& [last, changed] = seen_[node];
      if (beat != last || changed == Clock::time_point()) {
        last = beat;
        changed = now;
      }
      // One that has not come at all may take as long as a rendezvous may.
      const milliseconds most = last.empty() ? options_.timeout : silence_;
      if (now - changed > most && !store_->has(fmt::format("/launch/{}/left/{}", options_.run_id, node)))
        return fmt::format("no sign of life from the launcher of node {} for {} s", node,
                           static_cast<double>(most.count()) / 1000);
    }
    return "";
  }

  /// After a failure all machines stop before any starts again.
  void meet(int attempt, Outcome& outcome) {
    std::string lost;
    watch_store([&] { store_->set(key(attempt, fmt::format("stopped/{}", options_.node_rank)), "1"); }, lost);
    const auto give_up = Clock::now() + options_.grace + silence_;
    for (int node = 0; node < options_.nnodes && lost.empty();) {
      watch_store([&] { node += store_->has(key(attempt, fmt::format("stopped/{}", node))); }, lost);
      if (lost.empty()) watch_store([&] { lost = silent_launcher(); }, lost);
      if (node < options_.nnodes && Clock::now() > give_up)
        lost = fmt::format("node {} has not stopped its processes", node);
      if (node < options_.nnodes) turn();
    }
    if (lost.empty()) return;
    say(lost);
    outcome.may_restart = false;
  }

  /// The machine that serves the store leaves last.
  void leave() {
    if (options_.nnodes == 1) return;
    try {
      store_->set(fmt::format("/launch/{}/left/{}", options_.run_id, options_.node_rank), "1");
      std::vector<std::string> all;
      for (int node = 0; node < options_.nnodes; ++node)
        all.push_back(fmt::format("/launch/{}/left/{}", options_.run_id, node));
      if (server_) store_->wait(all, options_.grace);
      if (server_) usleep(200000);
    } catch (const Error&) {
      // Whoever is gone needs no answer.
    }
  }

  const LaunchOptions options_;
  const milliseconds silence_ = std::min(kSilence, options_.timeout);
  SignalQueue signals_;  // before any thread starts
  ScratchFolder scratch_;
  LogFolder logs_;
  std::unique_ptr<StoreServer> server_;
  std::unique_ptr<StoreClient> store_;
  int port_ = 0;
  std::list<std::unique_ptr<Worker>> workers_;
  const Worker* first_failed_ = nullptr;
  std::pair<std::string, std::string> last_failure_;  // what was said, and the newest checkpoint's step
  int signal_ = 0;
  bool stopping_ = false, killed_ = false;
  Clock::time_point kill_at_, last_look_, started_;
  int64_t beats_ = 0;
  std::map<int, std::pair<std::string, Clock::time_point>> seen_;
};

}  // namespace

int launch(const LaunchOptions& options) {
  return Agent(options).run();
}

}  // namespace bevgrad
