// How many channels of a channels-last activation one index of a launch takes: on the CPU enough for vector
// instructions, on a GPU few, so that neighbouring threads touch neighbouring channels.
#pragma once
#include <cstdint>

#include "tensor/device.h"
#include "tensor/host_device.h"

namespace bevgrad {

inline constexpr int64_t kHostChannelBlock = 64;
inline constexpr int64_t kDeviceChannelBlock = 4;

/// Calls f.operator()<block>() with the width that suits `device`, for a functor that holds a block in registers.
template <class F>
void with_channel_block(Device device, const F& f) {
  if (device.is_cpu()) {
    f.template operator()<kHostChannelBlock>();
  } else {
    f.template operator()<kDeviceChannelBlock>();
  }
}

inline int64_t blocks_of(int64_t channels, int64_t block) {
  return (channels + block - 1) / block;
}

/// The same width for a functor that goes through rows in memory: index i is channels begin(i) to end(i) of row(i).
struct ChannelBlocks {
  int64_t channels, width, count;

  ChannelBlocks(Device device, int64_t channels)
      : channels(channels),
        width(device.is_cpu() ? kHostChannelBlock : kDeviceChannelBlock),
        count(blocks_of(channels, width)) {}

  BEVGRAD_HD int64_t row(int64_t i) const { return i / count; }
  BEVGRAD_HD int64_t begin(int64_t i) const { return i % count * width; }
  BEVGRAD_HD int64_t end(int64_t i) const { return begin(i) + width < channels ? begin(i) + width : channels; }
};

}  // namespace bevgrad
