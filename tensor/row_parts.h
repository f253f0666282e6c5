// How a launch over rows of channels is divided.
#pragma once
#include <cstdint>

#include "tensor/device.h"

namespace bevgrad {

// How rows of channels are shared out to indices: whole rows on the CPU, one channel an index on a GPU.
struct RowParts {
  int64_t channels, width, parts;

  RowParts(Device device, int64_t channels)
      : channels(channels), width(device.is_cpu() ? channels : 1), parts(device.is_cpu() ? 1 : channels) {}
};

}  // namespace bevgrad
