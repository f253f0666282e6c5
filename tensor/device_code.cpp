#include "tensor/device_code.h"

#include <fmt/format.h>

#include "tensor/host_device.h"
#include "tensor/launch.h"

namespace bevgrad {

#ifdef BEVGRAD_CUDA

namespace {

// Any kernel of ours: they are all compiled for the same devices.
struct Nothing {
  BEVGRAD_HD void operator()(int64_t) const {}
};

}  // namespace

std::string device_code_problem(Device device) {
  if (device.is_cpu()) return "";
  const cuda::DeviceGuard guard(device.index);
  cudaFuncAttributes attributes{};
  const cudaError_t status = cudaFuncGetAttributes(&attributes, cuda::run_indices<Nothing>);
  if (status == cudaSuccess) return "";
  static_cast<void>(cudaGetLastError());
  cudaDeviceProp properties{};
  cuda::check(cudaGetDeviceProperties(&properties, device.index), "cudaGetDeviceProperties");
  const std::string gpu = fmt::format("{}, {}, compute capability {}.{}", to_string(device), properties.name,
                                      properties.major, properties.minor);
  try {
    cuda::check(status, "cudaFuncGetAttributes");
  } catch (const Error& error) {
    return fmt::format("{}: {}", gpu, error.what());
  }
  return "";
}

#else

std::string device_code_problem(Device) {
  return "";
}

#endif

}  // namespace bevgrad
