// Where the time of a piece of work goes: what ran on this thread between start() and stop(), by kernel, operation and
// module. Without start() nothing is measured and nothing is slower.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "tensor/backend.h"

namespace bevgrad::profile {

enum class Kind {
  Forward,   ///< an operation on its way in: from the end of the one before it to its own
  Backward,  ///< a backward rule
  Kernel,    ///< a heavy kernel of the backend, within one of the above
};

struct Event {
  Kind kind = Kind::Forward;
  const char* name = "";
  const void* module = nullptr;  ///< the innermost module that it ran in, or null
  const char* phase = "";        ///< where there is no module: what mark_phase was told
  double start = 0;              ///< seconds since start()
  double seconds = 0;
  size_t bytes = 0;  ///< of the output; of a kernel all tensors that it reads and writes
  double flops = 0;  ///< of convolutions and matrix products
};

/// Begins to record on this thread what runs on `device`. A GPU is waited for after every piece, so that its time is
/// known; the whole takes longer then.
void start(Device device = {});
/// Ends it and gives what was recorded.
std::vector<Event> stop();
bool is_active();

// For the engine.

/// A forward operation has just ended; returns its event's id, which the backward rule passes on, or -1 without a
/// profile.
int64_t operation_done(const char* name, const Tensor& output);
/// A module's forward begins and ends. What runs between belongs to it, unless it runs in a module within it; so work
/// without a name of its own is booked on the module that does it, or on its caller.
/// `around`: the module that it was called in, or null.
void module_entered(const void* module);
void module_left(const void* module, const void* around);
/// This thread goes on with other work, in the midst of a module: what ran since the last operation belongs to that.
void work_changes();
/// What ran outside of every module since the last call belongs to `phase` ("loss", "optimizer").
void phase_done(const char* phase);

/// A backward rule, from construction to destruction.
class BackwardScope {
 public:
  /// `operation`: the id that operation_done returned.
  BackwardScope(const char* name, int64_t operation, const Tensor& dy);
  ~BackwardScope();
  BackwardScope(const BackwardScope&) = delete;
  BackwardScope& operator=(const BackwardScope&) = delete;

 private:
  int64_t event_ = -1;
};

/// A heavy kernel that is no entry of a backend, from construction to destruction. `bytes` and `flops` as an Event's.
class KernelScope {
 public:
  KernelScope(const char* name, size_t bytes, double flops);
  ~KernelScope();
  KernelScope(const KernelScope&) = delete;
  KernelScope& operator=(const KernelScope&) = delete;

 private:
  int64_t event_ = -1;
};

/// `inner` with every kernel timed.
const Backend& instrumented(const Backend& inner);

}  // namespace bevgrad::profile
