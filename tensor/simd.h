// Sixteen values side by side, for the loops over channels that are bound by memory: the compiler's vector types, so
// that each target gets its own instructions, and conversions between the storage types and the type that is computed
// in.
#pragma once
#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>

#ifdef __AVX512F__
#include <immintrin.h>
#endif

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

// GCC 12 makes several instructions of these conversions, and warns of the intrinsics without a mask.
#ifdef __AVX512F__
inline constexpr __mmask16 kAll = 0xffff;
#endif
[[gnu::always_inline]] inline Vector<uint32_t> widen(Vector<uint16_t> v) {
#ifdef __AVX512F__
  return std::bit_cast<Vector<uint32_t>>(_mm512_maskz_cvtepu16_epi32(kAll, std::bit_cast<__m256i>(v)));
#else
  return convert<uint32_t, uint16_t>(v);
#endif
}
[[gnu::always_inline]] inline Vector<uint16_t> narrow(Vector<uint32_t> v) {
#ifdef __AVX512F__
  return std::bit_cast<Vector<uint16_t>>(_mm512_maskz_cvtepi32_epi16(kAll, std::bit_cast<__m512i>(v)));
#else
  return convert<uint16_t, uint32_t>(v);
#endif
}

template <class T>
[[gnu::always_inline]] inline Vector<compute_t<T>> load(const T* from) {
  if constexpr (std::is_same_v<T, BFloat16>) {
    Vector<uint16_t> bits;
    std::memcpy(&bits, from, sizeof bits);
    return std::bit_cast<Vector<float>>(widen(bits) << 16);
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
    const Vector<uint16_t> half = narrow(bits);
    std::memcpy(static_cast<void*>(to), &half, sizeof half);
  } else {
    std::memcpy(static_cast<void*>(to), &v, sizeof v);
  }
}

/// As store(), past the caches where the processor has AVX-512: memory need not be read to be written. For results that
/// are larger than the caches; `to` must be aligned to 64 bytes, 32 for two-byte types. What ends a parallel region or
/// passes data to another thread also ends these stores.
template <class T>
[[gnu::always_inline]] inline void stream(T* to, Vector<compute_t<T>> v) {
#ifdef __AVX512F__
  alignas(64) T values[kLanes];
  store(values, v);
  if constexpr (sizeof values == 32) {
    _mm256_stream_si256(reinterpret_cast<__m256i*>(to), _mm256_load_si256(reinterpret_cast<const __m256i*>(values)));
  } else {
    for (int i = 0; i < kLanes; i += static_cast<int>(64 / sizeof(T))) {
      _mm512_stream_si512(reinterpret_cast<__m512i*>(to + i), _mm512_load_si512(values + i));
    }
  }
#else
  store(to, v);
#endif
}

/// True where rows of `channels` values, at `to`, are best written by stream(): they are aligned and more than caches
/// hold.
template <class T>
inline bool streams(const T* to, int64_t rows, int64_t channels) {
  constexpr int64_t kMoreThanCaches = 16 << 20;  // bytes
  const int64_t bytes = channels * static_cast<int64_t>(sizeof(T));
  return rows * bytes > kMoreThanCaches && channels % kLanes == 0 && reinterpret_cast<uintptr_t>(to) % 64 == 0;
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
struct FullBlock {
  template <class T>
  [[gnu::always_inline]] Vector<compute_t<T>> load(const T* from) const {
    return simd::load(from);
  }
  template <class T>
  [[gnu::always_inline]] void store(T* to, Vector<compute_t<T>> v) const {
    simd::store(to, v);
  }
  template <class T>
  [[gnu::always_inline]] void stream(T* to, Vector<compute_t<T>> v) const {
    simd::stream(to, v);
  }
};
struct PartialBlock {
  int64_t count;
  template <class T>
  [[gnu::always_inline]] Vector<compute_t<T>> load(const T* from) const {
    return load_some(from, count);
  }
  template <class T>
  [[gnu::always_inline]] void store(T* to, Vector<compute_t<T>> v) const {
    store_some(to, v, count);
  }
  template <class T>
  [[gnu::always_inline]] void stream(T* to, Vector<compute_t<T>> v) const {
    store_some(to, v, count);
  }
};

/// One value: a thread of a device.
struct SingleLane {
  template <class T>
  BEVGRAD_HD compute_t<T> load(const T* from) const {
    return static_cast<compute_t<T>>(*from);
  }
  template <class T>
  BEVGRAD_HD void store(T* to, compute_t<T> v) const {
    *to = static_cast<T>(v);
  }
  template <class T>
  BEVGRAD_HD void stream(T* to, compute_t<T> v) const {
    *to = static_cast<T>(v);
  }
};

/// Four blocks at once, for loops whose body does more than its lanes: they do the rest a quarter as often. (An array
/// would be kept in memory.)
template <class C>
struct FourVectors {
  Vector<C> v0, v1, v2, v3;

  [[gnu::always_inline]] FourVectors& operator+=(const FourVectors& other) {
    v0 += other.v0, v1 += other.v1, v2 += other.v2, v3 += other.v3;
    return *this;
  }
  [[gnu::always_inline]] friend FourVectors operator+(FourVectors a, const FourVectors& b) { return a += b; }
  [[gnu::always_inline]] friend FourVectors operator*(FourVectors a, C factor) {
    a.v0 *= factor, a.v1 *= factor, a.v2 *= factor, a.v3 *= factor;
    return a;
  }
};
struct FourWhole {
  template <class T>
  [[gnu::always_inline]] FourVectors<compute_t<T>> load(const T* from) const {
    return {simd::load(from), simd::load(from + kLanes), simd::load(from + 2 * kLanes), simd::load(from + 3 * kLanes)};
  }
  template <class T>
  [[gnu::always_inline]] void store(T* to, const FourVectors<compute_t<T>>& values) const {
    simd::store(to, values.v0);
    simd::store(to + kLanes, values.v1);
    simd::store(to + 2 * kLanes, values.v2);
    simd::store(to + 3 * kLanes, values.v3);
  }
  template <class T>
  [[gnu::always_inline]] void stream(T* to, const FourVectors<compute_t<T>>& values) const {
    simd::stream(to, values.v0);
    simd::stream(to + kLanes, values.v1);
    simd::stream(to + 2 * kLanes, values.v2);
    simd::stream(to + 3 * kLanes, values.v3);
  }
};

/// Calls body(first, lanes) for blocks of kLanes of [first, count) and for what is left; on a device, for every value.
/// kMost: the largest count there can be.
template <int64_t kMost = std::numeric_limits<int64_t>::max(), class Body>
[[gnu::always_inline]] BEVGRAD_HD inline void for_each_block(int64_t count, const Body& body, int64_t first = 0) {
#ifdef __CUDA_ARCH__
  for (int64_t i = first; i < count; ++i) body(i, SingleLane{});
#else
  int64_t i = first;
  if constexpr (kMost >= kLanes) {
    for (; i + kLanes <= count; i += kLanes) body(i, FullBlock{});
  }
  if (i < count) body(i, PartialBlock{count - i});
#endif
}

/// The same, by four blocks where there are as many.
template <int64_t kMost = std::numeric_limits<int64_t>::max(), class Body>
[[gnu::always_inline]] BEVGRAD_HD inline void for_each_four_blocks(int64_t count, const Body& body) {
  int64_t i = 0;
#ifndef __CUDA_ARCH__
  if constexpr (kMost >= 4 * kLanes) {
    for (; i + 4 * kLanes <= count; i += 4 * kLanes) body(i, FourWhole{});
  }
#endif
  for_each_block<kMost>(count, body, i);
}

}  // namespace bevgrad::simd

#pragma GCC diagnostic pop
