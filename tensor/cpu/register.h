// As many float32 as one of the target's registers holds, for loops that need many registers at once: simd.h's sixteen
// lanes fill two of AVX2's, and half as many blocks stay in them.
#pragma once
#include <bit>
#include <cstdint>
#include <cstring>

#include "tensor/dtype.h"

namespace bevgrad::cpu {

#ifdef __AVX512F__
inline constexpr int kRegister = 16;
#else
inline constexpr int kRegister = 8;
#endif

template <class C>
using Register __attribute__((vector_size(kRegister * sizeof(C)))) = C;

[[gnu::always_inline]] inline Register<float> load_register(const float* from) {
  Register<float> v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

[[gnu::always_inline]] inline Register<float> load_register(const BFloat16* from) {
  Register<uint16_t> bits;
  std::memcpy(&bits, from, sizeof bits);
  return std::bit_cast<Register<float>>(__builtin_convertvector(bits, Register<uint32_t>) << 16);
}

[[gnu::always_inline]] inline void store_register(float* to, Register<float> v) {
  std::memcpy(to, &v, sizeof v);
}

/// To the nearest, ties to even; a NaN stays one.
[[gnu::always_inline]] inline void store_register(BFloat16* to, Register<float> v) {
  const auto u = std::bit_cast<Register<uint32_t>>(v);
  const Register<uint32_t> rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
  const Register<uint32_t> bits = (u & 0x7fffffffu) > 0x7f800000u ? (u >> 16) | 0x40u : rounded;
  const auto half = __builtin_convertvector(bits, Register<uint16_t>);
  std::memcpy(static_cast<void*>(to), &half, sizeof half);
}

/// How a block of channels is read and written: whole, or its first `count` values, the others being 0.
struct WholeRegister {
  template <class T>
  [[gnu::always_inline]] Register<float> load(const T* from) const {
    return load_register(from);
  }
  template <class T>
  [[gnu::always_inline]] void store(T* to, Register<float> v) const {
    store_register(to, v);
  }
};
struct PartOfRegister {
  int64_t count;
  template <class T>
  [[gnu::always_inline]] Register<float> load(const T* from) const {
    T padded[kRegister] = {};
    std::memcpy(static_cast<void*>(padded), from, static_cast<size_t>(count) * sizeof(T));
    return load_register(padded);
  }
  template <class T>
  [[gnu::always_inline]] void store(T* to, Register<float> v) const {
    T padded[kRegister];
    store_register(padded, v);
    std::memcpy(static_cast<void*>(to), padded, static_cast<size_t>(count) * sizeof(T));
  }
};

/// Calls body(first, lanes) for whole registers of [0, count) and for what is left.
template <class Body>
[[gnu::always_inline]] inline void for_each_register(int64_t count, const Body& body) {
  int64_t i = 0;
  for (; i + kRegister <= count; i += kRegister) body(i, WholeRegister{});
  if (i < count) body(i, PartOfRegister{count - i});
}

}  // namespace bevgrad::cpu
