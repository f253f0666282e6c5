// Recording what a thread queues on a device into a graph, in CUDA builds.
#pragma once
#include <mutex>

#include "tensor/cuda_stream.h"

namespace bevgrad::cuda {

/// From construction to end(), or to destruction, this thread's work on the device is recorded and not run: it goes to
/// a stream of its own, so that other threads may go on using the compute stream. One thread records at a time.
class Capture {
 public:
  explicit Capture(int device);
  ~Capture();
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  /// The graph; the caller destroys it.
  cudaGraph_t end();

 private:
  int device_;
  cudaStream_t stream_;
  std::unique_lock<std::mutex> lock_;
  bool is_open_ = false;
};

/// compute_stream(), also for a thread that records: for what is no part of its recording.
cudaStream_t stream_beside_recording(int device);

/// Whether the calling thread records its work on the device.
bool is_recording(int device);
/// On any.
bool is_recording();

}  // namespace bevgrad::cuda
