// The 16-bit floating-point types: storage formats, computed with as float.
#pragma once
#include <bit>
#include <cstdint>

#include "tensor/host_device.h"

namespace bevgrad {

/// Upper half of an IEEE float32. Conversion rounds to nearest, ties to even; NaN stays NaN (quiet).
struct BFloat16 {
  uint16_t bits = 0;

  BFloat16() = default;
  BEVGRAD_HD BFloat16(float value) {
    const uint32_t u = std::bit_cast<uint32_t>(value);
    // A selection without a branch, so that loops over it become vector instructions.
    const uint32_t rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
    const uint32_t quieted = (u >> 16) | 0x40u;
    bits = static_cast<uint16_t>((u & 0x7fffffffu) > 0x7f800000u ? quieted : rounded);
  }
  BEVGRAD_HD operator float() const { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }
};
static_assert(sizeof(BFloat16) == 2);

/// IEEE binary16. Conversion rounds to nearest, ties to even; overflow goes to infinity.
struct Float16 {
  uint16_t bits = 0;

  Float16() = default;
  BEVGRAD_HD Float16(float value) {
    const uint32_t u = std::bit_cast<uint32_t>(value);
    const uint32_t sign = (u >> 16) & 0x8000u;
    const uint32_t magnitude = u & 0x7fffffffu;
    if (magnitude > 0x7f800000u) {  // NaN
      bits = static_cast<uint16_t>(sign | 0x7e00u | ((magnitude >> 13) & 0x3ffu));
    } else if (magnitude >= 0x477ff000u) {  // rounds past 65504
      bits = static_cast<uint16_t>(sign | 0x7c00u);
    } else if (magnitude >= 0x38800000u) {  // normal
      const uint32_t rebased = magnitude - 0x38000000u;
      bits = static_cast<uint16_t>(sign | ((rebased + 0xfffu + ((rebased >> 13) & 1u)) >> 13));
    } else {  // subnormal: let float addition do the rounding
      const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
      bits = static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(shifted) - 0x3f000000u));
    }
  }
  BEVGRAD_HD operator float() const {
    const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
    const uint32_t exponent = (bits >> 10) & 0x1fu;
    const uint32_t mantissa = bits & 0x3ffu;
    if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
    if (exponent == 0) {
      const float value = static_cast<float>(mantissa) * (1.0f / 16777216.0f);
      return sign ? -value : value;
    }
    return std::bit_cast<float>(sign | ((exponent + 112u) << 23) | (mantissa << 13));
  }
};
static_assert(sizeof(Float16) == 2);

}  // namespace bevgrad
