// The calls about a device's memory pool: figures, as all memory comes out of the arena.
#include "runtime/fault.h"
#include "runtime/machine.h"

using namespace bevgrad::emulation;

namespace {

constexpr uintptr_t kFirstPool = 0x1000;

DeviceState& device_of_pool(cudaMemPool_t pool, const char* function) {
  const uintptr_t device = (reinterpret_cast<uintptr_t>(pool) - kFirstPool) / 16;
  if (device >= machine().devices.size()) fault("{}: a memory pool that does not exist", function);
  return *machine().devices[device];
}

}  // namespace

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int device) {
  Call call("cudaDeviceGetDefaultMemPool");
  if (call.refused()) return call.result();
  if (device < 0 || device >= static_cast<int>(machine().devices.size())) return call.result(cudaErrorInvalidDevice);
  *pool = reinterpret_cast<cudaMemPool_t>(kFirstPool + static_cast<uintptr_t>(device) * 16);
  return call.result();
}

cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void* value) {
  Call call("cudaMemPoolSetAttribute");
  if (call.refused()) return call.result();
  DeviceState& device = device_of_pool(pool, call.function());
  const uint64_t number = *static_cast<const uint64_t*>(value);
  switch (attribute) {
    case cudaMemPoolAttrReleaseThreshold:
      device.release_threshold = number;
      break;
    case cudaMemPoolAttrReservedMemHigh:
      if (number != 0) return call.result(cudaErrorInvalidValue);
      device.reserved_high = device.reserved;
      break;
    case cudaMemPoolAttrUsedMemHigh:
      if (number != 0) return call.result(cudaErrorInvalidValue);
      device.used_high = device.used;
      break;
    default:
      return call.result(cudaErrorInvalidValue);
  }
  return call.result();
}

cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void* value) {
  Call call("cudaMemPoolGetAttribute");
  if (call.refused()) return call.result();
  const DeviceState& device = device_of_pool(pool, call.function());
  auto& number = *static_cast<uint64_t*>(value);
  switch (attribute) {
    case cudaMemPoolAttrReleaseThreshold:
      number = device.release_threshold;
      break;
    case cudaMemPoolAttrReservedMemCurrent:
      number = device.reserved;
      break;
    case cudaMemPoolAttrReservedMemHigh:
      number = device.reserved_high;
      break;
    case cudaMemPoolAttrUsedMemCurrent:
      number = device.used;
      break;
    case cudaMemPoolAttrUsedMemHigh:
      number = device.used_high;
      break;
  }
  return call.result();
}

cudaError_t cudaMemPoolTrimTo(cudaMemPool_t pool, size_t bytes_to_keep) {
  Call call("cudaMemPoolTrimTo");
  if (call.refused()) return call.result();
  DeviceState& device = device_of_pool(pool, call.function());
  device.reserved = std::max(device.used, std::min(device.reserved, bytes_to_keep));
  return call.result();
}

// Graphs keep no memory between their launches here.
cudaError_t cudaDeviceGraphMemTrim(int device) {
  Call call("cudaDeviceGraphMemTrim");
  if (call.refused()) return call.result();
  if (device < 0 || device >= static_cast<int>(machine().devices.size())) return call.result(cudaErrorInvalidDevice);
  return call.result();
}
