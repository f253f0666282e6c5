#pragma once
#include <cmath>
#include <cstdint>

namespace bevgrad {

/// The value of an IEEE 754 binary16.
inline double half_to_double(uint16_t half) {
  const int exponent = half >> 10 & 31;
  const double mantissa = half & 1023, sign = half >> 15 ? -1 : 1;
  if (exponent == 31) return mantissa == 0 ? sign * INFINITY : NAN;
  return sign * (exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25));
}

}  // namespace bevgrad
