// Reading and writing elements of a dtype in the type they are computed in, in a form that the compiler turns into
// vector instructions: the 16-bit types go through their bits.
#pragma once
#include "tensor/dtype.h"

namespace bevgrad {

template <class T>
[[gnu::always_inline]] BEVGRAD_HD inline compute_t<T> load(const T* data, int64_t i) {
  if constexpr (std::is_same_v<T, BFloat16>) {
    return std::bit_cast<float>(static_cast<uint32_t>(data[i].bits) << 16);
  } else {
    return static_cast<compute_t<T>>(data[i]);
  }
}

template <class T>
[[gnu::always_inline]] BEVGRAD_HD inline void store(T* data, int64_t i, compute_t<T> value) {
  if constexpr (std::is_same_v<T, BFloat16>) {
    // As BFloat16(float): to nearest, ties to even; NaN stays NaN.
    const uint32_t u = std::bit_cast<uint32_t>(value);
    const uint32_t rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
    const uint32_t quiet = (u >> 16) | 0x40u;
    data[i].bits = static_cast<uint16_t>((u & 0x7fffffffu) > 0x7f800000u ? quiet : rounded);
  } else {
    data[i] = static_cast<T>(value);
  }
}

}  // namespace bevgrad
