// The processes of a run on this machine, from one start of them all to their end.
#pragma once
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "distributed/launch/agent.h"
#include "launch/internal/log_folder.h"
#include "launch/internal/scratch_folder.h"
#include "launch/internal/signal_queue.h"
#include "launch/internal/worker.h"

namespace bevgrad {

/// A line of the launcher's own.
void say(const std::string& text);

/// Which processes of the run are this machine's.
struct CrewPlace {
  int attempt = 0;   ///< starts before this one
  int restarts = 0;  ///< of those, after failures
  int node = 0, nodes = 1;
  int first_rank = 0, world_size = 1;
  int port = 0;  ///< of the store
};

class Crew {
 public:
  explicit Crew(const LaunchOptions& options);

  void start(const CrewPlace& place);
  /// Waits for output, a signal or the next tick; then everything that has come is dealt with.
  void turn();
  /// Tells all to stop; after `grace` they are killed.
  void stop(int number);

  bool all_ended() const;
  bool is_stopping() const { return stopping_; }
  /// A signal that this launcher got and passed on, or by which its processes ended as they were asked to; 0: none.
  int signal() const { return signal_; }
  /// Whether the launcher itself got it.
  bool was_told() const { return told_; }
  /// The process that was the first to end with another status than 0, or null; and whether nobody had told it to stop.
  const Worker* first_failed() const { return first_failed_; }
  bool failed_by_itself() const { return failed_by_itself_; }
  /// Whether one ended with the status of a mistake in the call.
  bool has_mistake() const;
  /// "rank1 on node 0 ended with signal 9 (Killed)"
  std::string short_failure() const;
  /// The same with what was said about it.
  std::string describe_failure() const;
  /// What the processes said before they failed: the earliest note, and whose it is.
  std::pair<std::string, std::string> earliest_note() const;

  const std::string& log_folder() const { return logs_.path(); }

 private:
  std::string error_file(int rank) const;

  const LaunchOptions options_;
  SignalQueue signals_;  // before any thread starts
  ScratchFolder scratch_;
  LogFolder logs_;
  CrewPlace place_;
  std::vector<std::unique_ptr<Worker>> workers_;
  const Worker* first_failed_ = nullptr;
  int signal_ = 0;
  bool told_ = false, failed_by_itself_ = false, stopping_ = false, killed_ = false;
  std::chrono::steady_clock::time_point kill_at_;
};

}  // namespace bevgrad
