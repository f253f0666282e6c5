// All that the emulated runtime knows, behind one lock, and the frame of every call into it.
#pragma once
#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "runtime/arena.h"
#include "runtime/random.h"
#include "runtime/stream.h"

namespace bevgrad::emulation {

struct DeviceState {
  explicit DeviceState(size_t memory);

  Arena arena;
  size_t memory;
  size_t used = 0;  // in the order of the host's calls
  size_t used_high = 0;
  size_t reserved = 0;
  size_t reserved_high = 0;
  uint64_t release_threshold = 0;
  Stream* default_stream = nullptr;
  bool has_context = false;  // half a GB of a real device
};

struct InjectedError {
  cudaError_t error;
  int successes;
};

struct Machine {
  Machine();

  std::mutex mutex;
  std::condition_variable changed;
  cudaError_t problem = cudaSuccess;  // of a machine without a usable device
  bool is_old = false;                // kernels are compiled for newer devices
  std::string lost_by;                // a file: while it is there, the devices are gone
  std::vector<std::unique_ptr<DeviceState>> devices;
  std::vector<std::unique_ptr<Stream>> streams;  // number -> stream; never removed
  std::unordered_map<uintptr_t, std::unique_ptr<Event>> events;
  std::map<uintptr_t, std::shared_ptr<Allocation>> pinned;
  std::vector<std::weak_ptr<Capture>> captures;
  std::map<std::string, InjectedError, std::less<>> injected;
  uintptr_t next_handle;
  Clock host;  // what host threads waited for
  Random random;
  std::vector<Stream*> busy;  // those with something in their queue
  size_t queued = 0;
  bool ended = false;        // nothing that is queued runs any more
  size_t bytes_to_free = 0;  // freed by calls whose turn has not come
  uint64_t calls = 0;
  std::map<std::string, int64_t, std::less<>> calls_of;

  DeviceState* device_at(uintptr_t address);
  int device_number(uintptr_t address) const;
  /// Page-locked memory that holds the address.
  std::shared_ptr<Allocation> pinned_at(uintptr_t address);
  Stream& new_stream(int device);
};

/// Lives as long as the process: objects in static storage may call CUDA after any of ours would be gone.
Machine& machine();

/// The calling thread's.
int& current_device();

/// Set while the thread is in a call of the runtime, or runs what is queued: kernels and host functions may not call
/// CUDA.
inline thread_local constinit bool inside_call = false;

/// Every call of the runtime opens with one: takes the lock, and knows what the call returns. At its end some of what
/// is queued may run.
class Call {
 public:
  explicit Call(const char* function);
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  /// Where the call cannot go on (no device, an injected error).
  bool refused() const { return error_ != cudaSuccess; }
  /// What the call returns; errors are remembered for cudaGetLastError.
  cudaError_t result(cudaError_t error = cudaSuccess);

  std::unique_lock<std::mutex>& lock() { return lock_; }
  const char* function() const { return function_; }

 private:
  const char* function_;
  std::unique_lock<std::mutex> lock_;
  cudaError_t error_ = cudaSuccess;
};

/// The stream of a handle; nullptr is the current device's default stream. Faults where there is none.
Stream& stream_of(cudaStream_t handle, const char* function);
cudaStream_t handle_of(const Stream& stream);

}  // namespace bevgrad::emulation
