#include "tensor/backend.h"

#include "cpu/backend.h"
#include "tensor/profile.h"

namespace bevgrad {

const Backend& backend(Device device) {
  check(device.is_cpu(), "this build has no backend for {}", to_string(device));
  return profile::is_active() ? profile::instrumented(cpu::backend()) : cpu::backend();
}

}  // namespace bevgrad
