// Sums in float64 of values in vectors: sixteen doubles as two vectors (GCC keeps larger ones than a register in
// memory, where each addition waits for the one before to be stored).
#pragma once
#include "tensor/simd.h"

namespace bevgrad::simd {

struct Doubles {
  typedef double Half __attribute__((vector_size(kLanes / 2 * sizeof(double))));
  Half low = {}, high = {};

  void add(const Doubles& v) {
    low += v.low;
    high += v.high;
  }
  void add_product(const Doubles& a, const Doubles& b) {
    low += a.low * b.low;
    high += a.high * b.high;
  }
  Doubles less(double value) const { return {low - value, high - value}; }
  void add_to(double* sums) const {
    Half first, second;
    __builtin_memcpy(&first, sums, sizeof first);
    __builtin_memcpy(&second, sums + kLanes / 2, sizeof second);
    first += low;
    second += high;
    __builtin_memcpy(sums, &first, sizeof first);
    __builtin_memcpy(sums + kLanes / 2, &second, sizeof second);
  }
  /// Adds the first `count` to memory.
  void add_to(double* sums, int64_t count) const {
    for (int i = 0; i < kLanes / 2; ++i) {
      if (i < count) sums[i] += low[i];
      if (i + kLanes / 2 < count) sums[i + kLanes / 2] += high[i];
    }
  }
  double total() const {
    const Half both = low + high;
    double sum = 0;
    for (int i = 0; i < kLanes / 2; ++i) sum += both[i];
    return sum;
  }
};

template <class C>
[[gnu::always_inline]] inline Doubles widen_values(Vector<C> v) {
#ifdef __AVX512F__
  if constexpr (std::is_same_v<C, float>) {
    // GCC 12 makes four instructions of each half.
    constexpr __mmask8 kHalf = 0xff;
    const auto first = std::bit_cast<__m256>(__builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7));
    const auto second = std::bit_cast<__m256>(__builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15));
    const __m512d low = _mm512_maskz_cvtps_pd(kHalf, first), high = _mm512_maskz_cvtps_pd(kHalf, second);
    return {std::bit_cast<Doubles::Half>(low), std::bit_cast<Doubles::Half>(high)};
  }
#endif
  return {__builtin_convertvector(__builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7), Doubles::Half),
          __builtin_convertvector(__builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15), Doubles::Half)};
}

}  // namespace bevgrad::simd
