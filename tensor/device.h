// Where a tensor's memory lies, and which devices there are.
#pragma once
#include <string>

namespace bevgrad {

enum class DeviceKind { CPU, CUDA };

struct Device {
  DeviceKind kind = DeviceKind::CPU;
  int index = 0;

  bool is_cpu() const { return kind == DeviceKind::CPU; }
  bool operator==(const Device&) const = default;
};

inline std::string to_string(Device device) {
  return device.is_cpu() ? std::string("cpu") : "cuda:" + std::to_string(device.index);
}

/// CUDA devices that this process can use; 0 where cuda_problem() has something to say.
int cuda_device_count();
/// Why there is no CUDA device ("no NVIDIA driver (CUDA error 35)", "this build has no CUDA backend"); empty where
/// there is one.
std::string cuda_problem();
/// Waits until everything that was queued on the device is done. The CPU has no queue.
void synchronize(Device device);

}  // namespace bevgrad
