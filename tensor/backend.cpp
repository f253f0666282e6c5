#include "tensor/backend.h"

#include "cpu/backend.h"

namespace bevgrad {

const Backend& backend(Device device) {
  check(device.is_cpu(), "this build has no backend for {}", to_string(device));
  return cpu::backend();
}

}  // namespace bevgrad
