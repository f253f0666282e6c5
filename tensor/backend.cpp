#include "tensor/backend.h"

#include "cpu/backend.h"
#ifdef BEVGRAD_CUDA
#include "cuda/backend.h"
#endif
#include "tensor/profile.h"

namespace bevgrad {

const Backend& backend(Device device) {
#ifdef BEVGRAD_CUDA
  const Backend& table = device.is_cpu() ? cpu::kBackend : cuda::kBackend;
#else
  check(device.is_cpu(), "{}: {}", to_string(device), cuda_problem());
  const Backend& table = cpu::kBackend;
#endif
  return profile::is_active() ? profile::instrumented(table) : table;
}

}  // namespace bevgrad
