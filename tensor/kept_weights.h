// Copies of weights in the layout of a kernel, which are made at their first use and kept.
#pragma once
#include <cstddef>

#include "tensor/device.h"

namespace bevgrad {

/// Their bytes; they are among those in use (tensor/allocator.h).
size_t kept_weight_bytes(Device device);

}  // namespace bevgrad
