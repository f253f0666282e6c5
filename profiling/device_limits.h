// Peak rates of a CUDA device, measured, against which other figures are read.
#pragma once
#include "profiling/machine_limits.h"
#include "tensor/device.h"

namespace bevgrad {

/// FLOP/s of large matrix products through the vendor's library in float32 (without TF32) and bfloat16, and bytes/s
/// that a copy within the device's memory reads and writes: the best of `repeats`.
MachineLimits measure_device(Device device, int repeats = 5);

}  // namespace bevgrad
