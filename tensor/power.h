// a to the power b that a compiler turns into vector instructions: float32 through float64, without branches or calls;
// float64 goes to the standard library.
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "tensor/host_device.h"

namespace bevgrad::elementary {

BEVGRAD_HD inline double power(double a, double b) {
  return std::pow(a, b);
}

/// log2 of a positive, normal number, good to 2^-39 of itself.
[[gnu::always_inline]] inline double log2_of(double x) {
  // x = m 2^n with m between the roots of 1/2 and of 2: the exponent's bits of x over the root of 1/2, made positive.
  constexpr uint64_t kRootOfHalf = 0x3fe6a09e667f3bcd, kExponents = 0xfff0000000000000;
  const uint64_t bits = std::bit_cast<uint64_t>(x), above = (bits - kRootOfHalf) & kExponents;
  const uint64_t biased = ((above >> 52) + 1024) & 0xfff;  // n + 1024
  // As the low bits of 2^52.
  const double n = std::bit_cast<double>(biased | 0x4330000000000000) - (4503599627370496.0 + 1024.0);
  const double m = std::bit_cast<double>(bits - above), s = (m - 1.0) / (m + 1.0), z = s * s;
  // 2 artanh(s) / log(2)
  double y = 1.0 / 13;
  y = y * z + 1.0 / 11;
  y = y * z + 1.0 / 9;
  y = y * z + 1.0 / 7;
  y = y * z + 1.0 / 5;
  y = y * z + 1.0 / 3;
  y = y * z + 1.0;
  return n + s * y * 2.88539008177792681;
}

/// 2^x for |x| up to 1000, good to 2^-36 of itself.
[[gnu::always_inline]] inline double exp2_of(double x) {
  // Adding 1.5 * 2^52 rounds to an integer, which then stands in the low bits.
  const double shifted = x + 6755399441055744.0, t = (x - (shifted - 6755399441055744.0)) * 0.693147180559945309;
  double y = 1.0 / 362880;
  y = y * t + 1.0 / 40320;
  y = y * t + 1.0 / 5040;
  y = y * t + 1.0 / 720;
  y = y * t + 1.0 / 120;
  y = y * t + 1.0 / 24;
  y = y * t + 1.0 / 6;
  y = y * t + 0.5;
  y = y * t + 1.0;
  y = y * t + 1.0;
  return y * std::bit_cast<double>((std::bit_cast<uint64_t>(shifted) + 1023) << 52);
}

/// Rounded correctly but for about one result in 100,000; special values as in C. (Two lanes at a time, or one thread
/// of a device, would be slower than the library's.)
[[gnu::always_inline]] BEVGRAD_HD inline float power(float a, float b) {
#if defined(__CUDA_ARCH__) || !defined(__AVX2__)
  return std::pow(a, b);
#else
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const double base = static_cast<double>(a), exponent = static_cast<double>(b), size = std::abs(base);
  const double finite_log = log2_of(size), of_large = size < kInfinity ? finite_log : size;  // a NaN stays one
  const double product = exponent * (size == 0.0 ? -kInfinity : of_large);
  const double y = exp2_of(product < -300.0 ? -300.0 : (product > 300.0 ? 300.0 : product));
  // Adding 2^52 leaves a whole number in the low bits; floats from 2^24 on are even.
  const double distance = std::abs(exponent), placed = distance + 4503599627370496.0;
  // Conditions are joined without branches: with one exponent for all they would not become vector code.
  const bool whole = placed - 4503599627370496.0 == distance, is_small = distance < 16777216.0;
  const uint64_t odd = std::bit_cast<uint64_t>(placed) & static_cast<uint64_t>(whole & is_small);
  const uint64_t sign = (std::bit_cast<uint64_t>(base) >> 63 & odd) << 63;
  const bool is_undefined = (base < 0.0) & (size < kInfinity) & !whole;
  const bool is_one = (exponent == 0.0) | (base == 1.0) | ((size == 1.0) & (distance == kInfinity));
  const double defined = is_undefined ? std::numeric_limits<double>::quiet_NaN() : y;
  const double positive = is_one ? 1.0 : defined;
  return static_cast<float>(std::bit_cast<double>(std::bit_cast<uint64_t>(positive) | sign));
#endif
}

}  // namespace bevgrad::elementary
