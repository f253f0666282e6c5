// exp and log that a compiler turns into vector instructions: float32 versions without branches or calls, good to about
// 2 units in the last place (Cephes' polynomials; S. Moshier, netlib.org/cephes); float64 goes to the standard library.
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "tensor/host_device.h"

namespace bevgrad::elementary {

BEVGRAD_HD inline double exp(double x) {
  return std::exp(x);
}
BEVGRAD_HD inline double log(double x) {
  return std::log(x);
}
BEVGRAD_HD inline double log1p_of_unit(double x) {
  return std::log1p(x);
}

/// exp(x) = 2^n (1 + fraction), the fraction between -0.3 and 0.42.
struct ExpParts {
  int32_t n;
  float fraction;
};

/// For |x| up to 2^21.
[[gnu::always_inline]] BEVGRAD_HD inline ExpParts exp_parts(float x) {
  // Adding 1.5 * 2^23 rounds to an integer, which then stands in the low bits.
  const float shifted = x * 1.44269504088896341f + 12582912.0f;
  const auto n = static_cast<int32_t>(std::bit_cast<uint32_t>(shifted) - 0x4b400000u);
  const float whole = shifted - 12582912.0f;
  const float r = (x - whole * 0.693359375f) + whole * 2.12194440e-4f;
  float y = 1.9875691500e-4f;
  y = y * r + 1.3981999507e-3f;
  y = y * r + 8.3334519073e-3f;
  y = y * r + 4.1665795894e-2f;
  y = y * r + 1.6666665459e-1f;
  y = y * r + 5.0000001201e-1f;
  return {n, y * r * r + r};
}

[[gnu::always_inline]] BEVGRAD_HD inline float exp(float x) {
  // Past these bounds the result is 0 or infinite; NaN passes through the comparisons.
  const auto [n, fraction] = exp_parts(x < -104.0f ? -104.0f : (x > 89.0f ? 89.0f : x));
  // 2^n in two factors, so that neither over- nor underflows on its own.
  const int32_t half = n >> 1;
  const float scale1 = std::bit_cast<float>(static_cast<uint32_t>(half + 127) << 23);
  const float scale2 = std::bit_cast<float>(static_cast<uint32_t>(n - half + 127) << 23);
  return (fraction + 1.0f) * scale1 * scale2;
}

/// log((1 + m) 2^e) for 1 + m between the roots of 1/2 and of 2.
[[gnu::always_inline]] BEVGRAD_HD inline float log_near_one(float m, float e) {
  const float z = m * m;
  float y = 7.0376836292e-2f;
  y = y * m - 1.1514610310e-1f;
  y = y * m + 1.1676998740e-1f;
  y = y * m - 1.2420140846e-1f;
  y = y * m + 1.4249322787e-1f;
  y = y * m - 1.6668057665e-1f;
  y = y * m + 2.0000714765e-1f;
  y = y * m - 2.4999993993e-1f;
  y = y * m + 3.3333331174e-1f;
  y = y * m * z - 2.12194440e-4f * e - 0.5f * z;
  return m + y + 0.693359375f * e;
}

// Decisions are taken on the bits: comparisons of numbers could trap, which would leave branches.
[[gnu::always_inline]] BEVGRAD_HD inline float log(float x) {
  const uint32_t given = std::bit_cast<uint32_t>(x);
  const bool tiny = given < 0x00800000u;
  const float scaled = x * (tiny ? 8388608.0f : 1.0f);
  const uint32_t bits = std::bit_cast<uint32_t>(scaled);
  int32_t exponent = static_cast<int32_t>(bits >> 23) - (tiny ? 149 : 126);
  float m = std::bit_cast<float>((bits & 0x007fffffu) | 0x3f000000u);  // in [0.5, 1)
  const bool low = (bits & 0x007fffffu) < 0x003504f3u;                 // below the root of 1/2
  exponent -= low ? 1 : 0;
  m = (m - 1.0f) + (low ? m : 0.0f);
  const float result = log_near_one(m, static_cast<float>(exponent));
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const float positive = given == 0x7f800000u ? kInfinity : result;
  const float defined = given > 0x7f800000u ? std::numeric_limits<float>::quiet_NaN() : positive;
  return (given << 1) == 0u ? -kInfinity : defined;
}

/// log(1 + x) for x in [0, 1].
[[gnu::always_inline]] BEVGRAD_HD inline float log1p_of_unit(float x) {
  const bool high = x > 0.41421356f;  // 1 + x past the root of 2: its half is taken, exactly
  return log_near_one(high ? 0.5f * (x - 1.0f) : x, high ? 1.0f : 0.0f);
}

BEVGRAD_HD inline double tanh(double x) {
  return std::tanh(x);
}
BEVGRAD_HD inline double erf(double x) {
  return std::erf(x);
}

/// Cephes' polynomial near 0, 1 - 2 / (exp(2 |x|) + 1) elsewhere.
[[gnu::always_inline]] BEVGRAD_HD inline float tanh(float x) {
  const float a = std::abs(x), z = x * x;
  float y = -5.70498872745e-3f;
  y = y * z + 2.06390887954e-2f;
  y = y * z - 5.37397155531e-2f;
  y = y * z + 1.33314422036e-1f;
  y = y * z - 3.33332819422e-1f;
  const float near = y * z * x + x;
  const float far = std::copysign(1.0f - 2.0f / (exp(2.0f * a) + 1.0f), x);
  return a < 0.625f ? near : far;
}

/// Good to 2e-7: Cephes' polynomial below 1, Abramowitz and Stegun's 7.1.26 from there on.
[[gnu::always_inline]] BEVGRAD_HD inline float erf(float x) {
  const float a = std::abs(x), z = x * x;
  float y = 7.853861353153693e-5f;
  y = y * z - 8.010193625184903e-4f;
  y = y * z + 5.188327685732524e-3f;
  y = y * z - 2.685381193529856e-2f;
  y = y * z + 1.128358514861418e-1f;
  y = y * z - 3.761262582423300e-1f;
  y = y * z + 1.128379165726710f;
  const float t = 1.0f / (1.0f + 0.3275911f * a);
  float p = 1.061405429f;
  p = p * t - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  const float far = std::copysign(1.0f - p * t * exp(-z), x);
  return a < 1.0f ? x * y : far;
}

/// 1 / (1 + exp(-x))
template <class T>
[[gnu::always_inline]] BEVGRAD_HD inline T sigmoid(T x) {
  return T(1) / (T(1) + exp(-x));
}

}  // namespace bevgrad::elementary
