#include "tensor/device_counts.h"

namespace bevgrad {

DeviceCounts device_counts() {
  DeviceCounts result;
  for (size_t i = 0; i < result.counts.size(); ++i) result.counts[i] = cuda::work_done[i].load();
  return result;
}

const char* name(DeviceWork kind) {
  static constexpr std::array<const char*, kDeviceWorkKinds> kNames = {
      "kernel launches",    "library calls",   "graph launches",   "fills",
      "copies to device",   "copies to host",  "copies on device", "host waits",
      "driver allocations", "bytes to device", "bytes to host",    "workspace bytes"};
  return kNames[static_cast<size_t>(kind)];
}

}  // namespace bevgrad
