// Several neighbouring elements that one thread reads or writes at once, so that narrow types fill the bus.
#pragma once
#include <cstdint>

#include "tensor/element.h"
#include "tensor/host_device.h"
#include "tensor/tensor.h"

namespace bevgrad {

template <class T, int kLanes>
struct alignas(sizeof(T) * kLanes) Pack {
  T lanes[kLanes];
};

/// Elements of a pack of 16 bytes.
template <class T>
inline constexpr int kFullPack = static_cast<int>(16 / sizeof(T));

template <int kLanes, class T>
BEVGRAD_HD void load_pack(compute_t<T>* values, const T* data) {
  const auto pack = *reinterpret_cast<const Pack<T, kLanes>*>(data);
  for (int k = 0; k < kLanes; ++k) values[k] = load(pack.lanes, k);
}

template <int kLanes, class T>
BEVGRAD_HD void store_pack(T* data, const compute_t<T>* values) {
  Pack<T, kLanes> pack;
  for (int k = 0; k < kLanes; ++k) store(pack.lanes, k, values[k]);
  *reinterpret_cast<Pack<T, kLanes>*>(data) = pack;
}

/// True where rows of `channels` elements of every given tensor can be taken in full packs. Undefined ones can.
template <class T, class... Tensors>
bool fits_packs(int64_t channels, const Tensors&... tensors) {
  return channels % kFullPack<T> == 0 &&
         ((!tensors.defined() || reinterpret_cast<uintptr_t>(tensors.raw_data()) % 16 == 0) && ...);
}

}  // namespace bevgrad
