// Streams, events and errors of the CUDA runtime, in builds that have it. Work on a device's tensors is queued on its
// compute stream, in program order; another stream that touches them is ordered by events.
#pragma once
#include <cuda_runtime.h>

#include <exception>
#include <utility>

namespace bevgrad::cuda {

/// Throws Error "<call>: <text> (CUDA error <number>)" unless `status` is a success.
void check(cudaError_t status, const char* call);
/// Throws as check() where the current device has met an error that stays: of one, a library says only that its call
/// failed.
void check_not_lost(const char* call);

/// Makes `device` current for a scope, and leaves it current in a thread that had chosen none: no thread touches a
/// device that nobody asked it to.
class DeviceGuard {
 public:
  explicit DeviceGuard(int device);
  ~DeviceGuard();
  DeviceGuard(const DeviceGuard&) = delete;
  DeviceGuard& operator=(const DeviceGuard&) = delete;

 private:
  int previous_;
};

/// The device that this process used first: where page-locked memory is made.
int home_device();

/// Where operations on a device's tensors are queued.
cudaStream_t compute_stream(int device);
/// Where batches are copied while the compute stream works.
cudaStream_t copy_stream(int device);

/// The host waits for the compute stream, for results that it wants to read.
void finish(int device);
/// From now on every host synchronisation with the device throws `error`: a collective was aborted, and values computed
/// from its partial result are meaningless. Null: clears it. May be called from any thread.
void poison(int device, std::exception_ptr error);

/// A point in a stream.
class Event {
 public:
  explicit Event(int device);
  ~Event();
  Event(Event&& other) noexcept : device_(other.device_), event_(std::exchange(other.event_, nullptr)) {}
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  Event& operator=(Event&&) = delete;

  /// What is queued on `stream` so far.
  void record(cudaStream_t stream);
  /// `stream` goes on only when the recorded work is done; the host does not wait.
  void wait(cudaStream_t stream) const;
  /// The host waits.
  void synchronize() const;
  bool ready() const;

 private:
  int device_;
  cudaEvent_t event_ = nullptr;
};

}  // namespace bevgrad::cuda
