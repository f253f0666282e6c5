// The collectives of one group on their own stream, ordered with the device's compute stream by events, and the thread
// that watches over them: the host waits for none.
#pragma once
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "distributed/nccl_communicator.h"
#include "distributed/process_group.h"
#include "internal/nccl_run.h"
#include "tensor/tensor.h"

namespace bevgrad {

/// A point in a stream whose time the device takes.
class TimedEvent {
 public:
  explicit TimedEvent(int device);
  ~TimedEvent();
  TimedEvent(const TimedEvent&) = delete;
  TimedEvent& operator=(const TimedEvent&) = delete;

  void record(cudaStream_t stream);
  void wait(cudaStream_t stream) const;
  bool ready() const;
  /// Seconds from `start` to this one; both must be ready.
  double seconds_since(const TimedEvent& start) const;

 private:
  int device_;
  cudaEvent_t event_ = nullptr;
};

class NcclQueue {
 public:
  /// A collective under way.
  struct Job {
    std::string call;
    std::vector<Tensor> tensors;  ///< stay until the compute stream waits for the end
    int64_t bytes_sent = 0;
    std::optional<TimedEvent> start, end, asked;
    std::chrono::steady_clock::time_point seen_running{};
    bool is_running = false;
    int64_t flight = 0;  ///< its number in the flight record
  };
  using Call = std::function<ncclResult_t(ncclComm_t, cudaStream_t)>;

  NcclQueue(std::shared_ptr<NcclRun> run, std::unique_ptr<NcclCommunicator> communicator);
  /// Closes, unless an exception is on its way or the run has failed: then all is aborted.
  ~NcclQueue();
  NcclQueue(const NcclQueue&) = delete;
  NcclQueue& operator=(const NcclQueue&) = delete;

  /// Queues the job behind what is on the compute stream now. One thread at a time.
  void push(const std::shared_ptr<Job>& job, const char* name, const Call& call);
  /// What is queued on the compute stream from now on finds the job's result.
  void wait(Job& job);
  /// The host waits until nothing is under way. Nothing may be pushed afterwards.
  void close();
  GroupTraffic traffic() const;

 private:
  Patience patience(const std::string& call);
  void watch();
  void collect();
  void look_after(Job& first);

  std::shared_ptr<NcclRun> run_;
  std::unique_ptr<NcclCommunicator> communicator_;
  cudaStream_t stream_ = nullptr;
  mutable std::mutex mutex_;
  std::condition_variable wake_, done_;
  std::deque<std::shared_ptr<Job>> under_way_;
  std::vector<std::shared_ptr<Job>> asked_for_;  // the compute stream waits, or has waited, for them
  GroupTraffic traffic_;
  bool stop_ = false, is_closed_ = false;
  std::thread watchdog_;
};

}  // namespace bevgrad
