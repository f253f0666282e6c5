// A communicator of the stand-in: what it is in the middle of, and its operations in the emulated device's streams.
#pragma once
#include <nccl.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "emulation/operation.h"
#include "nccl/clique.h"

namespace bevgrad::emulation::nccl {

/// What tests turn by BEVGRAD_EMULATED_NCCL, read when a communicator is made: words with commas between them.
struct Behaviour {
  bool tells_of_lost_ranks = false;  ///< "lost=error": as ncclRemoteError; else a lost rank is waited for for ever
  bool fails_to_start = false;       ///< "init=error"
  int64_t failing_call = -1;         ///< "error=7": the seventh collective ends in ncclInternalError
};

/// One call on a stream: what it puts there. Of the calls of a group all first parts come before all second ones, and
/// those before the third.
struct Work {
  cudaStream_t stream;
  std::vector<Operation> parts[3];
};
void enqueue_all(std::vector<Work> works);

class Communicator : public std::enable_shared_from_this<Communicator> {
 public:
  Communicator(const std::string& clique, int rank, int size);

  int device() const { return device_; }
  int size() const { return clique_->size(); }
  int rank() const { return clique_->rank(); }

  /// The calls of the interface that are allowed at any time.
  ncclResult_t asynchronous_error();
  std::string last_error();
  void abort();

  /// Faults where a call comes while another is in progress.
  void require_idle(const char* call);
  ncclResult_t finalize();
  bool is_finalized() const { return is_finalized_; }

  Work collective(const Description& description, const void* from, size_t bytes_in, void* to, size_t bytes_out,
                  cudaStream_t stream);
  Work send(const Description& description, const void* from, size_t bytes, int to, cudaStream_t stream);
  Work receive(const Description& description, void* to, size_t bytes, int from, cudaStream_t stream);
  /// Some calls have queued their work when they return, others only some time later.
  ncclResult_t start(std::vector<Work> works);

 private:
  bool is_over() const { return is_aborted_.load(); }
  /// Whether a rank that the device waits for has gone without a word. Waits of the device ask it, so it takes no lock.
  void look_for_lost(int rank);
  void finish_collective(uint64_t index, const Description& description, void* to, size_t bytes_out);
  void set_error(ncclResult_t error, const std::string& text);
  void check_same(const Description& own, const Description& other, int rank) const;

  std::shared_ptr<Clique> clique_;
  int device_ = 0;
  Behaviour behaviour_;
  std::atomic<bool> is_aborted_ = false;
  std::atomic<int> error_ = ncclSuccess;
  std::atomic<uint64_t> done_ = 0;  // collectives
  std::atomic<int> open_ = 0;       // operations in streams
  std::mutex mutex_;
  std::string text_;
  bool is_finalized_ = false;
  bool is_joining_ = true;
  int asked_ = 0;            // times that a call in progress was asked about
  std::vector<Work> later_;  // of a call in progress
  uint64_t calls_ = 0, collectives_ = 0;
  std::map<int, uint64_t> sent_, received_;
  std::chrono::steady_clock::time_point looked_{};
};

}  // namespace bevgrad::emulation::nccl
