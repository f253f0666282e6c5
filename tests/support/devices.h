// The devices that a test runs on: the CPU, and the first CUDA device where there is one.
#pragma once
#include <vector>

#include "tensor/device.h"

namespace bevgrad {

inline std::vector<Device> test_devices() {
  std::vector<Device> devices = {{}};
  if (cuda_device_count() > 0) devices.push_back({DeviceKind::CUDA, 0});
  return devices;
}

}  // namespace bevgrad
