#include "tensor/kept_weights.h"

#include "cpu/weight_cache.h"

#ifdef BEVGRAD_CUDA
#include "cuda/weights.h"
#endif

namespace bevgrad {

size_t kept_weight_bytes(Device device) {
#ifdef BEVGRAD_CUDA
  if (!device.is_cpu()) return cuda::kept_weight_bytes();
#endif
  return device.is_cpu() ? cpu::kept_weight_bytes() : 0;
}

}  // namespace bevgrad
