// How many channels of a channels-last activation one index of a launch takes: on the CPU enough for vector
// instructions, on a GPU few, so that neighbouring threads touch neighbouring channels.
#pragma once
#include <cstdint>

#include "tensor/device.h"

namespace bevgrad {

inline constexpr int64_t kHostChannelBlock = 64;
inline constexpr int64_t kDeviceChannelBlock = 4;

/// Calls f.operator()<block>() with the width that suits `device`.
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

}  // namespace bevgrad
