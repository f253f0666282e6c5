#include "launch/internal/crew.h"

#include <poll.h>

#include <algorithm>
#include <csignal>
#include <tuple>

#include "base/console.h"
#include "base/error.h"
#include "distributed/launch/error_file.h"

namespace bevgrad {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kTick{200};

}  // namespace

void say(const std::string& text) {
  std::fflush(stdout);
  write_console(stderr, fmt::format("bevgrad launch: {}\n", text));
}

Crew::Crew(const LaunchOptions& options)
    : options_(options), logs_(options.log_dir, options.run_id, options.redirects, options.tee, options.shown_ranks) {}

void Crew::start(const CrewPlace& place) {
  place_ = place;
  workers_.clear();
  stopping_ = killed_ = failed_by_itself_ = false;
  first_failed_ = nullptr;
  for (int local = 0; local < options_.nproc_per_node; ++local) {
    const int rank = place.first_rank + local;
    WorkerOptions worker;
    worker.command = options_.command;
    worker.name = fmt::format("rank{}", rank);
    std::tie(worker.out, worker.error) = logs_.places(place.attempt, local);
    const auto text = [](int number) { return std::to_string(number); };
    worker.variables = {{"RANK", text(rank)},
                        {"LOCAL_RANK", text(local)},
                        {"WORLD_SIZE", text(place.world_size)},
                        {"LOCAL_WORLD_SIZE", text(options_.nproc_per_node)},
                        {"GROUP_RANK", text(place.node)},
                        {"GROUP_WORLD_SIZE", text(place.nodes)},
                        {"ROLE_NAME", "default"},
                        {"ROLE_RANK", text(rank)},
                        {"ROLE_WORLD_SIZE", text(place.world_size)},
                        {"MASTER_ADDR", options_.master_addr},
                        {"MASTER_PORT", text(place.port)},
                        {"TORCHELASTIC_RESTART_COUNT", text(place.restarts)},
                        {"TORCHELASTIC_MAX_RESTARTS", text(options_.max_restarts)},
                        {"TORCHELASTIC_RUN_ID", options_.run_id},
                        {"TORCHELASTIC_USE_AGENT_STORE", "True"},
                        {"TORCHELASTIC_ERROR_FILE", error_file(rank)}};
    workers_.push_back(std::make_unique<Worker>(worker));
  }
}

std::string Crew::error_file(int rank) const {
  return scratch_.file(fmt::format("attempt_{}_rank{}.json", place_.attempt, rank));
}

void Crew::turn() {
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
    told_ = true;
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
    } else if (worker->status() != 0 && !first_failed_ && !stopping_) {
      first_failed_ = worker.get();
      failed_by_itself_ = !stopping_;
    }
  }
}

void Crew::stop(int number) {
  for (const auto& worker : workers_) {
    worker->signal(number);
    worker->signal(SIGCONT);  // one that was stopped would never see it
  }
  if (stopping_) return;
  stopping_ = true;
  kill_at_ = Clock::now() + options_.grace;
}

bool Crew::all_ended() const {
  return std::all_of(workers_.begin(), workers_.end(), [](const auto& worker) { return worker->ended(); });
}

bool Crew::has_mistake() const {
  return std::any_of(workers_.begin(), workers_.end(), [](const auto& worker) { return worker->status() == 2; });
}

std::pair<std::string, std::string> Crew::earliest_note() const {
  std::optional<FailureNote> earliest;
  std::string by;
  for (int local = 0; local < options_.nproc_per_node; ++local) {
    const int rank = place_.first_rank + local;
    const std::optional<FailureNote> note = read_error_file(error_file(rank));
    if (!note || (earliest && earliest->timestamp <= note->timestamp)) continue;
    earliest = note;
    by = fmt::format("rank{}", rank);
  }
  return {earliest ? earliest->message : "", by};
}

std::string Crew::short_failure() const {
  return fmt::format("{} on node {} ended with {}", first_failed_->name(), place_.node, first_failed_->how_it_ended());
}

std::string Crew::describe_failure() const {
  std::string line = fmt::format("{} (process {} on node {}) ended with {}", first_failed_->name(),
                                 first_failed_->process(), place_.node, first_failed_->how_it_ended());
  const auto [message, by] = earliest_note();
  if (!message.empty()) line += fmt::format("; {} said: {}", by, message);
  return line;
}

}  // namespace bevgrad
