#include "launch/internal/elastic_agent.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "distributed/agent_link.h"
#include "launch/internal/crew.h"
#include "launch/internal/patience.h"
#include "launch/internal/repeated_failure.h"
#include "launch/internal/round_leader.h"

namespace bevgrad {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kLook{500};

class ElasticAgent {
 public:
  explicit ElasticAgent(const LaunchOptions& options) : options_(options), keys_(options.run_id), crew_(options) {
    Endpoint at = {options.master_addr, options.master_port};
    std::string cannot_serve;
    try {
      server_ = std::make_unique<StoreServer>(at, options.timeout);
    } catch (const Error& error) {
      cannot_serve = error.what();  // another machine's address, or another launcher of this one serves it
    }
    try {
      store_ = std::make_unique<StoreClient>(at, options.timeout, std::min(options.timeout, kStoreCall));
    } catch (const Error& error) {
      fail("{}; and here {}", error.what(), cannot_serve);
    }
    node_ = server_ ? 0 : static_cast<int>(store_->add(keys_.count(), 1));
    char host[256] = "?";
    gethostname(host, sizeof(host) - 1);
    store_->set(keys_.machine(node_), json{{"processes", options.nproc_per_node}, {"host", host}}.dump());
    say(fmt::format("machine {} of {} to {}", node_, options.nnodes, options.most_nodes));
    if (!crew_.log_folder().empty()) say(fmt::format("logs are in {}", crew_.log_folder()));
    if (server_) leader_.emplace(options, *store_);
  }

  int run() {
    for (;;) {
      crew_.turn();
      if (Clock::now() - last_look_ < kLook) continue;
      last_look_ = Clock::now();
      try {
        if (const std::optional<int> status = look()) return *status;
      } catch (const UsageError&) {
        store_->set(keys_.left(node_), "1");  // the program cannot be run
        throw;
      } catch (const Error& error) {
        return end_without_store(error.what());
      }
    }
  }

 private:
  /// The status of this launcher, once the run is over or this machine has left it.
  std::optional<int> look() {
    store_->set(keys_.beat(node_), std::to_string(++beats_));
    if (leader_ && !is_over_) {
      if (crew_.was_told()) {
        leader_->end(128 + crew_.signal(), "the first launcher was told to stop");
      } else {
        leader_->look();
      }
    }
    if (!is_over_) {
      if (const std::string over = store_->peek(keys_.over()); !over.empty()) {
        is_over_ = true;
        const json end = json::parse(over);
        status_ = end.value("status", 1);
        if (const std::string reason = end.value("reason", ""); !reason.empty()) say(reason);
        if (status_ != 0 && is_running_) crew_.stop(SIGTERM);
      }
    }
    if (is_running_) watch_crew();
    if (is_running_) return std::nullopt;
    if (is_over_ || crew_.was_told()) return leave();
    join_round();
    return std::nullopt;
  }

  void watch_crew() {
    if (crew_.first_failed() && crew_.failed_by_itself() && !is_told_) {
      is_told_ = true;
      // A note may be on its way: the process that failed first need not be the one that ended first.
      crew_.stop(SIGTERM);
    }
    if (!is_told_ && !crew_.is_stopping()) {
      if (const std::string why = store_->peek(keys_.stop(round_)); !why.empty()) {
        say(fmt::format("stopping: {}", why));
        is_told_ = true;
        crew_.stop(SIGTERM);
      }
    }
    if (!crew_.all_ended()) return;
    is_running_ = false;
    // Before the end of its part: whoever sees that knows of the other.
    if (crew_.was_told()) store_->set(keys_.left(node_), "1");
    const bool asked = crew_.signal() == SIGUSR1 || crew_.signal() == SIGUSR2;
    const bool failed = crew_.first_failed() && crew_.failed_by_itself() && crew_.signal() == 0;
    json ended = {{"kind", asked ? "asked" : failed ? "failed" : crew_.is_stopping() ? "stopped" : "done"}};
    ended["status"] = asked                 ? 128 + crew_.signal()
                      : crew_.has_mistake() ? 2
                      : failed              ? crew_.first_failed()->status()
                                            : 0;
    if (failed) {
      say(crew_.describe_failure());
      ended["failure"] = crew_.short_failure();
      ended["hopeless"] = failures_.hopeless(crew_.earliest_note().first, crew_.short_failure(),
                                             store_->peek(saved_step_key(options_.run_id)));
    }
    store_->set(keys_.ended(round_, node_), ended.dump(-1, ' ', false, json::error_handler_t::replace));
  }

  void join_round() {
    const json round = json::parse(store_->peek(keys_.round()), nullptr, false);
    if (!round.is_object() || round.value("number", -1) <= round_) return;
    round_ = round.value("number", -1);
    CrewPlace place{.attempt = round_,
                    .restarts = round.value("restarts", 0),
                    .nodes = static_cast<int>(round["members"].size()),
                    .port = store_->endpoint().port};
    bool is_member = false;
    int first = 0;
    for (size_t i = 0; i < round["members"].size(); ++i) {
      const json& member = round["members"][i];
      if (member[0] == node_) {
        is_member = true;
        place.node = static_cast<int>(i);
        place.first_rank = first;
      }
      first += member[1].get<int>();
    }
    place.world_size = first;
    if (!is_member) {
      say(fmt::format("round {} has begun without machine {}, which waits for a place", round_, node_));
      return;
    }
    is_told_ = false;
    is_running_ = true;
    crew_.start(place);
  }

  int leave() {
    if (!is_over_) status_ = 128 + crew_.signal();
    store_->set(keys_.left(node_), "1");
    if (!server_) return status_;
    // The machine that serves the store leaves last.
    const auto give_up = Clock::now() + options_.grace;
    const auto others = static_cast<int>(store_->add(keys_.count(), 0));
    for (int node = 1; node <= others && Clock::now() < give_up;) {
      const std::string before = store_->peek(keys_.beat(node));
      if (store_->wait({keys_.left(node)}, kLook * 4) || store_->peek(keys_.beat(node)) == before) ++node;
    }
    return status_;
  }

  int end_without_store(const std::string& why) {
    say(fmt::format("the launcher of machine 0 is gone: {}", why));
    crew_.stop(SIGTERM);
    while (is_running_ && !crew_.all_ended()) crew_.turn();
    return crew_.was_told() ? 128 + crew_.signal() : 1;
  }

  const LaunchOptions options_;
  const RoundKeys keys_;
  Crew crew_;  // before any thread starts
  std::unique_ptr<StoreServer> server_;
  std::unique_ptr<StoreClient> store_;
  std::optional<RoundLeader> leader_;
  int node_ = 0, round_ = -1, status_ = 1;
  bool is_running_ = false, is_told_ = false, is_over_ = false;
  int64_t beats_ = 0;
  Clock::time_point last_look_;
  RepeatedFailure failures_;
};

}  // namespace

int launch_elastic(const LaunchOptions& options) {
  return ElasticAgent(options).run();
}

}  // namespace bevgrad
