// log1p, expm1, sin and cos that a compiler turns into vector instructions: float32 versions without branches or calls;
// float64 goes to the standard library.
#pragma once
#include "tensor/elementary.h"

namespace bevgrad::elementary {

BEVGRAD_HD inline double log1p(double x) {
  return std::log1p(x);
}
BEVGRAD_HD inline double expm1(double x) {
  return std::expm1(x);
}

/// The logarithm of the rounded 1 + x, and what the rounding took away.
[[gnu::always_inline]] BEVGRAD_HD inline float log1p(float x) {
  const float sum = 1.0f + x;
  const float whole = log(sum);
  const float result = whole - ((sum - 1.0f) - x) / sum;
  const bool exact = sum == 0.0f || sum == std::numeric_limits<float>::infinity();
  return exact ? whole : result;
}

/// 2^n fraction + (2^n - 1); good to about 3 units in the last place.
[[gnu::always_inline]] BEVGRAD_HD inline float expm1(float x) {
  const auto [n, fraction] = exp_parts(x < -40.0f ? -40.0f : (x > 40.0f ? 40.0f : x));
  const float scale = std::bit_cast<float>(static_cast<uint32_t>(n + 127) << 23);
  const float near = scale * fraction + (scale - 1.0f);
  // At 40 a 1 no longer counts, and large results overflow in exp's own way.
  const float result = x > 30.0f ? exp(x) : near;
  return x == 0.0f ? x : result;
}

/// Up to here circle() is exact enough; a NaN is beyond.
inline constexpr float kCircleReach = 1e6f;

/// sin(x + quarters * pi / 2) for |x| <= kCircleReach, in float64: x less its multiple of pi / 2, which is taken off in
/// two parts, then the polynomials of FreeBSD's k_sinf.c and k_cosf.c, good to 2^-34.
[[gnu::always_inline]] inline float circle(float x, uint64_t quarters) {
  const double given = static_cast<double>(x);
  // Adding 1.5 * 2^52 rounds to an integer, which then stands in the low bits.
  const double shifted = given * 6.36619772367581382433e-01 + 6755399441055744.0;
  const uint64_t quadrant = std::bit_cast<uint64_t>(shifted) + quarters;
  const double n = shifted - 6755399441055744.0;
  const double r = (given - n * 1.57079632673412561417e+00) - n * 6.07710050650619224932e-11;
  const double z = r * r;
  const double sine =
      r * (1.0 +
           z * (-0.166666666416265235595 +
                z * (0.0083333293858894631756 + z * (-0.000198393348360966317347 + z * 0.0000027183114939898219064))));
  const double cosine =
      1.0 + z * (-0.499999997251031003120 +
                 z * (0.0416666233237390631894 + z * (-0.00138867637746099294692 + z * 0.0000243904487962774090654)));
  const double size = quadrant & 1 ? cosine : sine;
  return static_cast<float>(quadrant & 2 ? -size : size);
}

}  // namespace bevgrad::elementary
