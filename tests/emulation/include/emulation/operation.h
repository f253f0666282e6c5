// How the stand-ins of the libraries (cuDNN, cuBLASLt, NCCL) queue their work on the emulated device, and how they end
// a test that breaks a rule.
#pragma once
#include <cuda_runtime.h>

#include <functional>
#include <string>
#include <vector>

namespace bevgrad::emulation {

enum class Mode { read, write, update, unknown };

/// Memory that an operation touches: a range of one allocation. unknown: the operation gets the pointer, and may read
/// or write anywhere in its allocation.
struct Access {
  const void* pointer;
  size_t bytes;
  Mode mode;
};

struct Operation {
  const char* name;  // for messages; lives as long as the process
  std::vector<Access> accesses;
  /// Runs on the device: device memory can be touched, CUDA cannot be called.
  std::function<void()> run;
  /// Where set: the operation starts only once this says true, and the streams of other devices and processes go on
  /// until then. Asked again and again; must not wait, nor call CUDA.
  std::function<bool()> ready;
};

/// Queues the operation on a stream (or adds it to the graph that the stream is captured into).
cudaError_t enqueue(cudaStream_t stream, Operation operation);

/// The device of a stream.
int device_of(cudaStream_t stream);
/// The device whose memory the pointer points into, -1 where it is none.
int device_of(const void* pointer);
/// The bytes from `pointer` to the end of its allocation; 0 where it points into no memory in use.
size_t bytes_behind(const void* pointer);
/// Called from an operation: whether all of [pointer, pointer + bytes) still holds the pattern of memory that nothing
/// was written to.
bool unwritten(const void* pointer, size_t bytes);

/// Ends the process: "emulated device: <message>" on stderr, then abort().
[[noreturn]] void fault(const std::string& message);

}  // namespace bevgrad::emulation
