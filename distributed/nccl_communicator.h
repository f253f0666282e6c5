// A communicator of NCCL's whose calls never block: each returns, is asked about, and is given up where that is in
// vain.
#pragma once
#include <nccl.h>

#include <functional>
#include <mutex>
#include <string>

namespace bevgrad {

/// Asked again and again while NCCL works on a call: throws where waiting on is in vain.
using Patience = std::function<void()>;

/// "ncclUnhandledCudaError: unhandled cuda error; <what NCCL says of its last error>"
std::string describe_nccl(ncclResult_t result, ncclComm_t communicator);
/// Throws Error "<call>: <describe_nccl>" unless `result` is a success.
void check_nccl(ncclResult_t result, const char* call, ncclComm_t communicator = nullptr);

class NcclCommunicator {
 public:
  /// Meets the other ranks that have the same id. The calling thread's current device is the communicator's.
  NcclCommunicator(const ncclUniqueId& id, int rank, int size, const Patience& patience);
  /// Aborts, unless it was closed.
  ~NcclCommunicator();
  NcclCommunicator(const NcclCommunicator&) = delete;
  NcclCommunicator& operator=(const NcclCommunicator&) = delete;

  using Call = std::function<ncclResult_t(ncclComm_t)>;
  /// Returns when the call has queued its work, so that events may be recorded behind it.
  void run(const char* name, const Call& call, const Patience& patience);
  /// What happened behind the calls; "" where nothing did. Any thread.
  std::string asynchronous_error();
  /// Whether that was the loss of another rank.
  bool lost_a_rank();
  /// Lets the other ranks have what is still on its way to them, then frees the communicator. Nothing may be queued.
  void close(const Patience& patience);
  /// Ends whatever runs on the device. Any thread; afterwards every call throws.
  void abort();

 private:
  ncclResult_t state();
  void settle(const char* name, ncclResult_t result, const Patience& patience);

  std::mutex mutex_;
  ncclComm_t communicator_ = nullptr;
};

}  // namespace bevgrad
