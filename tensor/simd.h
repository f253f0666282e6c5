// Sixteen values side by side, for the loops over channels that are bound by memory: the compiler's vector types, so
// that each target gets its own instructions, and conversions between the storage types and the type that is computed
// in.
#pragma once
#include <bit>
#include <cstdint>
#include <cstring>

#include "tensor/dtype.h"
#include "tensor/host_device.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"  // every function here is inlined

namespace bevgrad::simd {

inline constexpr int kLanes = 16;

// One by one: nvcc's front end knows no vector types of a size that depends on a parameter.
template <class C>
struct VectorOf;
#define BEVGRAD_VECTOR_OF(C)                                         \
  template <>                                                        \
  struct VectorOf<C> {                                               \
    typedef C type __attribute__((vector_size(kLanes * sizeof(C)))); \
  };
BEVGRAD_VECTOR_OF(float)
BEVGRAD_VECTOR_OF(double)
BEVGRAD_VECTOR_OF(int8_t)
BEVGRAD_VECTOR_OF(uint8_t)
BEVGRAD_VECTOR_OF(uint16_t)
BEVGRAD_VECTOR_OF(uint32_t)
BEVGRAD_VECTOR_OF(int32_t)
BEVGRAD_VECTOR_OF(long)
BEVGRAD_VECTOR_OF(long long)  // of which clang makes what comparisons of doubles give
#undef BEVGRAD_VECTOR_OF

template <class C>
using Vector = typename VectorOf<C>::type;

template <class To, class From>
[[gnu::always_inline]] inline Vector<To> convert(Vector<From> v) {
  return __builtin_convertvector(v, Vector<To>);
}

template <class T>
[[gnu::always_inline]] inline Vector<compute_t<T>> load(const T* from) {
  if constexpr (std::is_same_v<T, BFloat16>) {
    Vector<uint16_t> bits;
    std::memcpy(&bits, from, sizeof bits);
    return std::bit_cast<Vector<float>>(convert<uint32_t, uint16_t>(bits) << 16);
  } else {
    Vector<T> v;
    std::memcpy(&v, from, sizeof v);
    return v;
  }
}

template <class T>
[[gnu::always_inline]] inline void store(T* to, Vector<compute_t<T>> v) {
  if constexpr (std::is_same_v<T, BFloat16>) {
    const auto u = std::bit_cast<Vector<uint32_t>>(v);
    const Vector<uint32_t> rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
    const Vector<uint32_t> bits = (u & 0x7fffffffu) > 0x7f800000u ? (u >> 16) | 0x40u : rounded;
    const Vector<uint16_t> half = convert<uint16_t, uint32_t>(bits);
    std::memcpy(static_cast<void*>(to), &half, sizeof half);
  } else {
    std::memcpy(static_cast<void*>(to), &v, sizeof v);
  }
}

/// The first `count` values; the others are 0.
template <class T>
[[gnu::always_inline]] inline Vector<compute_t<T>> load_some(const T* from, int64_t count) {
  T padded[kLanes] = {};
  std::memcpy(static_cast<void*>(padded), from, static_cast<size_t>(count) * sizeof(T));
  return load(padded);
}

template <class T>
[[gnu::always_inline]] inline void store_some(T* to, Vector<compute_t<T>> v, int64_t count) {
  T padded[kLanes];
  store(padded, v);
  std::memcpy(static_cast<void*>(to), padded, static_cast<size_t>(count) * sizeof(T));
}

/// How a block of lanes is read and written: whole, or its first `count` values.
struct Whole {
  template <class T>
  [[gnu::always_inline]] Vector<compute_t<T>> load(const T* from) const {
    return simd::load(from);
  }
  template <class T>
  [[gnu::always_inline]] void store(T* to, Vector<compute_t<T>> v) const {
    simd::store(to, v);
  }
};
struct Some {
  int64_t count;
  template <class T>
  [[gnu::always_inline]] Vector<compute_t<T>> load(const T* from) const {
    return load_some(from, count);
  }
  template <class T>
  [[gnu::always_inline]] void store(T* to, Vector<compute_t<T>> v) const {
    store_some(to, v, count);
  }
};

/// One value: a thread of a device.
struct One {
  template <class T>
  BEVGRAD_HD compute_t<T> load(const T* from) const {
    return static_cast<compute_t<T>>(*from);
  }
  template <class T>
  BEVGRAD_HD void store(T* to, compute_t<T> v) const {
    *to = static_cast<T>(v);
  }
};

/// Calls body(first, lanes) for blocks of kLanes of [0, count) and for what is left; on a device, for every value.
template <class Body>
[[gnu::always_inline]] BEVGRAD_HD inline void for_each_block(int64_t count, const Body& body) {
#ifdef __CUDA_ARCH__
  for (int64_t i = 0; i < count; ++i) body(i, One{});
#else
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) body(i, Whole{});
  if (i < count) body(i, Some{count - i});
#endif
}

}  // namespace bevgrad::simd

#pragma GCC diagnostic pop
