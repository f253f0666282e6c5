#include "tensor/device.h"

#include <fmt/core.h>

#ifdef BEVGRAD_CUDA
#include "tensor/cuda_stream.h"
#endif

namespace bevgrad {

#ifdef BEVGRAD_CUDA

namespace {

struct Found {
  int count = 0;
  std::string problem;
};

Found look() {
  Found found;
  const cudaError_t status = cudaGetDeviceCount(&found.count);
  if (status == cudaSuccess && found.count > 0) return found;
  static_cast<void>(cudaGetLastError());
  found.count = 0;
  std::string reason = cudaGetErrorString(status);
  int driver = 0;
  if (status == cudaErrorInsufficientDriver && cudaDriverGetVersion(&driver) == cudaSuccess && driver > 0)
    reason = fmt::format("the NVIDIA driver is for CUDA {}.{}, this build needs one for {}.{} or newer", driver / 1000,
                         driver % 1000 / 10, CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10);
  else if (status == cudaErrorInsufficientDriver)
    reason = "no NVIDIA driver";
  if (status == cudaErrorNoDevice || status == cudaSuccess) reason = "no NVIDIA GPU";
  found.problem = reason;
  if (status != cudaSuccess) found.problem += " (CUDA error " + std::to_string(static_cast<int>(status)) + ")";
  return found;
}

const Found& found() {
  static const Found result = look();
  return result;
}

}  // namespace

int cuda_device_count() {
  return found().count;
}
std::string cuda_problem() {
  return found().problem;
}
void synchronize(Device device) {
  if (!device.is_cpu()) cuda::finish(device.index);
}

#else

int cuda_device_count() {
  return 0;
}
std::string cuda_problem() {
  return "this build has no CUDA backend";
}
void synchronize(Device) {}

#endif

}  // namespace bevgrad
