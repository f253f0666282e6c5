#include "distributed/launch/agent.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <map>
#include <memory>

#include "base/error.h"
#include "distributed/agent_link.h"
#include "distributed/tcp_store.h"
#include "launch/internal/crew.h"
#include "launch/internal/elastic_agent.h"
#include "launch/internal/patience.h"
#include "launch/internal/repeated_failure.h"

namespace bevgrad {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// How a try ended.
struct Outcome {
  bool succeeded = false;
  bool may_restart = true;
  int status = 0;
};

class Agent {
 public:
  explicit Agent(const LaunchOptions& options) : options_(options), crew_(options) {
    Endpoint at = {options.master_addr, options.master_port};
    if (options.node_rank == 0) {
      server_ = std::make_unique<StoreServer>(at, options.timeout);
      at.port = server_->endpoint().port;
    }
    port_ = at.port;
    store_ = std::make_unique<StoreClient>(at, options.timeout, std::min(options.timeout, kStoreCall));
    // Who has asked for something keeps its place in a store that is full.
    store_->set(fmt::format("/launch/{}/node/{}", options.run_id, options.node_rank), "here");
    if (!crew_.log_folder().empty()) say(fmt::format("logs are in {}", crew_.log_folder()));
  }

  int run() {
    for (int attempt = 0;; ++attempt) {
      const Outcome outcome = try_once(attempt);
      if (outcome.succeeded || crew_.signal() != 0) {
        leave();
        return crew_.signal() != 0 ? 128 + crew_.signal() : 0;
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

  /// Why another try is hopeless, after a failure of this machine's processes.
  std::string hopeless() {
    std::string saved, lost;
    watch_store([&] { saved = store_->peek(saved_step_key(options_.run_id)); }, lost);
    return failures_.hopeless(crew_.earliest_note().first, crew_.short_failure(), saved);
  }

  Outcome try_once(int attempt) {
    bool told = false, finished = false;
    std::string elsewhere;
    crew_.start({.attempt = attempt,
                 .restarts = attempt,
                 .node = options_.node_rank,
                 .nodes = options_.nnodes,
                 .first_rank = options_.node_rank * options_.nproc_per_node,
                 .world_size = options_.nproc_per_node * options_.nnodes,
                 .port = port_});
    std::string lost;
    for (;;) {
      crew_.turn();
      if (crew_.signal() == 0 && crew_.first_failed() && !told) {
        told = true;
        // A note may be on its way: the process that failed first need not be the one that ended first.
        crew_.stop(SIGTERM);
        try {
          store_->compare_set(key(attempt, "failed"), "",
                              fmt::format("{} {}", crew_.first_failed()->status() == 2 ? 2 : 1, crew_.short_failure()));
        } catch (const Error&) {
          // The watch below says so.
        }
      }
      if (crew_.all_ended()) {
        if (crew_.first_failed() || crew_.signal() != 0 || !elsewhere.empty() || !lost.empty()) break;
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
          crew_.stop(SIGTERM);
        }
        if (!lost.empty()) {
          say(fmt::format("stopping: {}", lost));
          crew_.stop(SIGTERM);
        }
        if (finished && lost.empty() && elsewhere.empty() && all_nodes_done(attempt, lost)) break;
      }
    }
    Outcome outcome;
    const Worker* failed = crew_.first_failed();
    outcome.succeeded = !failed && elsewhere.empty() && lost.empty() && crew_.signal() == 0;
    outcome.status = failed ? failed->status() : 1;
    outcome.may_restart = lost.empty() && !crew_.has_mistake() && !elsewhere.starts_with("2 ");
    if (outcome.succeeded || crew_.signal() != 0) return outcome;
    if (failed) say(crew_.describe_failure());
    std::string reason = failed ? hopeless() : "";
    if (!reason.empty()) watch_store([&] { store_->set(key(attempt, "hopeless"), reason); }, lost);
    if (lost.empty() && options_.nnodes > 1) meet(attempt, outcome);
    watch_store([&] { reason = store_->peek(key(attempt, "hopeless")); }, lost);
    if (!reason.empty() && outcome.may_restart) {
      say(reason);
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
      if (node < options_.nnodes) crew_.turn();
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
  Crew crew_;  // before any thread starts
  std::unique_ptr<StoreServer> server_;
  std::unique_ptr<StoreClient> store_;
  int port_ = 0;
  RepeatedFailure failures_;
  Clock::time_point last_look_, started_;
  int64_t beats_ = 0;
  std::map<int, std::pair<std::string, Clock::time_point>> seen_;
};

}  // namespace

int launch(const LaunchOptions& options) {
  return options.most_nodes > options.nnodes ? launch_elastic(options) : Agent(options).run();
}

}  // namespace bevgrad
