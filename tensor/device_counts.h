// What this process has asked of its GPUs, counted where it is asked: the cost of a step that depends on no clock.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>

namespace bevgrad {

enum class DeviceWork {
  Launch,       // of a kernel of our own
  LibraryCall,  // of cuDNN or cuBLASLt
  GraphLaunch,  // of a recorded CUDA graph
  Fill,         // by the driver
  CopyToDevice,
  CopyToHost,
  CopyOnDevice,      // by the driver
  Wait,              // of the host for a device
  DriverAllocation,  // of device or page-locked memory, taken or given back
  BytesToDevice,
  BytesToHost,
  WorkspaceBytes,  // of all library calls together
};
inline constexpr int kDeviceWorkKinds = static_cast<int>(DeviceWork::WorkspaceBytes) + 1;

struct DeviceCounts {
  std::array<int64_t, kDeviceWorkKinds> counts{};

  int64_t operator[](DeviceWork kind) const { return counts[static_cast<size_t>(kind)]; }
  DeviceCounts operator-(const DeviceCounts& before) const {
    DeviceCounts result;
    for (size_t i = 0; i < counts.size(); ++i) result.counts[i] = counts[i] - before.counts[i];
    return result;
  }
};

/// Since the process began, by all its threads and on all its devices.
DeviceCounts device_counts();
/// "kernel launches", and so on.
const char* name(DeviceWork kind);

namespace cuda {

inline constinit std::array<std::atomic<int64_t>, kDeviceWorkKinds> work_done{};

inline void count(DeviceWork kind, int64_t amount = 1) {
  work_done[static_cast<size_t>(kind)].fetch_add(amount, std::memory_order_relaxed);
}

}  // namespace cuda
}  // namespace bevgrad
