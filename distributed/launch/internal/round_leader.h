// What the first launcher of an elastic run decides.
#pragma once
#include <chrono>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "distributed/launch/agent.h"
#include "distributed/tcp_store.h"

namespace bevgrad {

/// Keys of an elastic run's launchers in its store. Texts are JSON.
class RoundKeys {
 public:
  explicit RoundKeys(const std::string& run_id) : prefix_("/launch/" + run_id + "/elastic/") {}

  std::string count() const { return prefix_ + "count"; }              ///< launchers that have come beside the first
  std::string machine(int node) const { return of("machine", node); }  ///< {"processes", "host"}
  std::string beat(int node) const { return of("beat", node); }
  std::string left(int node) const { return of("left", node); }
  std::string round() const { return prefix_ + "round"; }  ///< {"number", "restarts", "members": [[node, processes]]}
  std::string stop(int round) const { return of("stop", round); }  ///< why a round ends
  /// {"kind": "done"|"failed"|"stopped"|"asked", "status", "failure", "again"}: how a machine's part of a round ended.
  std::string ended(int round, int node) const { return of("ended/" + std::to_string(round), node); }
  std::string over() const { return prefix_ + "over"; }  ///< {"status", "reason"}

 private:
  std::string of(const std::string& what, int number) const { return prefix_ + what + "/" + std::to_string(number); }
  std::string prefix_;
};

class RoundLeader {
 public:
  RoundLeader(const LaunchOptions& options, StoreClient& store);
  /// Looks at all launchers and goes on; to be called about once a second until over() is in the store.
  void look();
  /// The run ends on all machines.
  void end(int status, const std::string& reason);

 private:
  using Clock = std::chrono::steady_clock;
  struct Machine {
    int processes = 1;
    std::string beat, host;
    Clock::time_point came, changed;
    bool is_gone = false;
  };

  void find_machines();
  /// The first so many that are there, in the order in which they came.
  std::vector<int> present() const;
  void gather();
  void watch_round();
  void finish_round();
  void stop_round(const std::string& why, bool has_failed);
  bool is_member(int node) const;

  const LaunchOptions options_;
  const RoundKeys keys_;
  StoreClient& store_;
  const std::chrono::milliseconds silence_;
  std::map<int, Machine> machines_;
  enum class Phase { Gathering, Running, Stopping } phase_ = Phase::Gathering;
  Clock::time_point gathering_since_ = Clock::now();
  int round_ = -1, restarts_ = 0;
  std::vector<int> members_;
  bool has_failed_ = false, has_lost_ = false;
};

}  // namespace bevgrad
