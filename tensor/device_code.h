// Whether a device can run what this program was compiled to.
#pragma once
#include <string>

#include "tensor/device.h"

namespace bevgrad {

/// Why the kernels of this build do not run on the device: it is older than they are, or its driver cannot translate
/// them. "" where they do. One line.
std::string device_code_problem(Device device);

}  // namespace bevgrad
