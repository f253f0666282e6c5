// The calls about devices and versions.
#include <cstdlib>
#include <cstring>

#include "emulation/control.h"
#include "runtime/machine.h"

using namespace bevgrad::emulation;

cudaError_t cudaGetDeviceCount(int* count) {
  Call call("cudaGetDeviceCount");
  *count = static_cast<int>(machine().devices.size());
  return call.result(machine().problem);
}

cudaError_t cudaGetDevice(int* device) {
  Call call("cudaGetDevice");
  if (call.refused()) return call.result();
  *device = current_device();
  return call.result();
}

cudaError_t cudaSetDevice(int device) {
  Call call("cudaSetDevice");
  if (call.refused()) return call.result();
  if (device < 0 || device >= static_cast<int>(machine().devices.size())) return call.result(cudaErrorInvalidDevice);
  current_device() = device;
  // Since CUDA 12.
  machine().devices[static_cast<size_t>(device)]->has_context = true;
  return call.result();
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  Call call("cudaGetDeviceProperties");
  if (call.refused()) return call.result();
  if (device < 0 || device >= static_cast<int>(machine().devices.size())) return call.result(cudaErrorInvalidDevice);
  *properties = {};
  std::strcpy(properties->name, "emulated device");
  properties->totalGlobalMem = machine().devices[static_cast<size_t>(device)]->memory;
  properties->sharedMemPerBlock = 48 * 1024;
  properties->warpSize = 32;
  properties->maxThreadsPerBlock = 1024;
  properties->major = machine().is_old ? 6 : 9;
  properties->minor = 0;
  properties->multiProcessorCount = 2;
  properties->l2CacheSize = 1 << 20;
  return call.result();
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  Call call("cudaDeviceGetAttribute");
  if (call.refused()) return call.result();
  if (device < 0 || device >= static_cast<int>(machine().devices.size())) return call.result(cudaErrorInvalidDevice);
  if (attribute != cudaDevAttrMemoryPoolsSupported) return call.result(cudaErrorInvalidValue);
  *value = 1;
  return call.result();
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  Call call("cudaRuntimeGetVersion");
  *version = CUDART_VERSION;
  return call.result();
}

// 0 where there is no driver.
cudaError_t cudaDriverGetVersion(int* version) {
  Call call("cudaDriverGetVersion");
  const char* devices = std::getenv("BEVGRAD_EMULATED_DEVICES");
  const bool old = devices && std::strcmp(devices, "olddriver") == 0;
  *version = machine().problem != cudaErrorInsufficientDriver ? CUDART_VERSION : (old ? 12020 : 0);
  return call.result();
}

std::vector<int> bevgrad::emulation::devices_with_context() {
  Machine& all = machine();
  const std::lock_guard lock(all.mutex);
  std::vector<int> found;
  for (size_t i = 0; i < all.devices.size(); ++i)
    if (all.devices[i]->has_context) found.push_back(static_cast<int>(i));
  return found;
}
