// What a process and the agent that started it (torchrun's, or that of `bevgrad launch`) tell one another through the
// agent's store.
#pragma once
#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "distributed/environment.h"
#include "distributed/tcp_store.h"

namespace bevgrad {

/// The key under which rank 0 leaves the step of its newest checkpoint, -1 before there is one: a launcher sees by it
/// whether a try got anywhere.
std::string saved_step_key(const std::string& run_id);

class AgentLink {
 public:
  /// `what`: tells apart what processes of one agent do, one after another; the work folder of a training. `on_lost` is
  /// called once, from another thread, when the process that started this one has ended, or the agent's store has been
  /// away for `patience`: nobody looks after this process any more. Throws Error where there is no store.
  AgentLink(const RankEnvironment& environment, const std::string& what, std::chrono::milliseconds timeout,
            std::chrono::milliseconds patience, std::function<void()> on_lost);
  ~AgentLink();
  AgentLink(const AgentLink&) = delete;
  AgentLink& operator=(const AgentLink&) = delete;

  /// Whether an earlier round of this run's processes has begun, whatever the restart count says: torchrun does not
  /// count a restart after machines have joined or left.
  bool has_begun_before() const { return has_begun_before_; }
  /// Rank 0's word, once all ranks are there and so have asked the above: the work folder is this run's.
  void tell_begun() { tell(begun_key_, "1"); }
  void tell_saved(int64_t step) { tell(saved_key_, std::to_string(step)); }

 private:
  void watch();
  void tell(const std::string& key, const std::string& value);

  Endpoint at_;
  std::string begun_key_, saved_key_;
  std::chrono::milliseconds patience_;
  std::function<void()> on_lost_;
  pid_t parent_;
  bool has_begun_before_ = false;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::unique_ptr<StoreClient> store_;  // of the watching thread and of tell(), which take turns
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace bevgrad
