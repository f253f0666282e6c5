#include "formats/stored_dtype.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "tensor/bfloat16.h"

namespace bevgrad {

namespace {

struct Row {
  StoredDType dtype;
  std::string_view name;
  uint8_t bytes;
  uint8_t swap;
  bool floating;
};

constexpr std::array<Row, kStoredDTypeCount> kRows{{
    {StoredDType::Float64, "float64", 8, 8, true},
    {StoredDType::Float32, "float32", 4, 4, true},
    {StoredDType::Float16, "float16", 2, 2, true},
    {StoredDType::BFloat16, "bfloat16", 2, 2, true},
    {StoredDType::Complex128, "complex128", 16, 8, true},
    {StoredDType::Complex64, "complex64", 8, 4, true},
    {StoredDType::Complex32, "complex32", 4, 2, true},
    {StoredDType::Int64, "int64", 8, 8, false},
    {StoredDType::Int32, "int32", 4, 4, false},
    {StoredDType::Int16, "int16", 2, 2, false},
    {StoredDType::Int8, "int8", 1, 1, false},
    {StoredDType::UInt64, "uint64", 8, 8, false},
    {StoredDType::UInt32, "uint32", 4, 4, false},
    {StoredDType::UInt16, "uint16", 2, 2, false},
    {StoredDType::UInt8, "uint8", 1, 1, false},
    {StoredDType::Bool, "bool", 1, 1, false},
    {StoredDType::Float8E4M3FN, "float8_e4m3fn", 1, 1, true},
    {StoredDType::Float8E5M2, "float8_e5m2", 1, 1, true},
    {StoredDType::Float8E4M3FNUZ, "float8_e4m3fnuz", 1, 1, true},
    {StoredDType::Float8E5M2FNUZ, "float8_e5m2fnuz", 1, 1, true},
    {StoredDType::Float8E8M0FNU, "float8_e8m0fnu", 1, 1, true},
    {StoredDType::Float4E2M1FNX2, "float4_e2m1fn_x2", 1, 1, true},
}};

constexpr bool rows_in_order() {
  for (size_t i = 0; i < kRows.size(); ++i) {
    if (static_cast<size_t>(kRows[i].dtype) != i) return false;
  }
  return true;
}
static_assert(rows_in_order());

const Row& row(StoredDType dtype) {
  return kRows.at(static_cast<size_t>(dtype));
}

template <class T>
T load(const std::byte* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// A float8 with `mantissa` bits. `fnuz`: no infinity, no negative zero (0x80 is NaN), bias one higher.
double small_float(uint8_t bits, int mantissa, int bias, bool fnuz, bool finite_only) {
  const int exponent_bits = 7 - mantissa;
  const int exponent = (bits >> mantissa) & ((1 << exponent_bits) - 1);
  const int fraction = bits & ((1 << mantissa) - 1);
  const double sign = (bits & 0x80) != 0 ? -1 : 1;
  if (fnuz) {
    if (bits == 0x80) return kNaN;
  } else if (exponent == (1 << exponent_bits) - 1) {
    if (!finite_only) return fraction == 0 ? sign * std::numeric_limits<double>::infinity() : kNaN;
    if (fraction == (1 << mantissa) - 1) return kNaN;
  }
  if (exponent == 0) return sign * std::ldexp(fraction, 1 - bias - mantissa);
  return sign * std::ldexp((1 << mantissa) + fraction, exponent - bias - mantissa);
}

}  // namespace

size_t item_size(StoredDType dtype) {
  return row(dtype).bytes;
}
size_t swap_size(StoredDType dtype) {
  return row(dtype).swap;
}
std::string_view name(StoredDType dtype) {
  return row(dtype).name;
}
bool is_floating_point(StoredDType dtype) {
  return row(dtype).floating;
}

std::optional<StoredDType> stored_dtype_named(std::string_view name) {
  for (const Row& row : kRows) {
    if (row.name == name) return row.dtype;
  }
  return std::nullopt;
}

StoredDType stored_dtype(DType dtype) {
  const auto found = stored_dtype_named(name(dtype));
  check(found.has_value(), "dtype {} has no stored form", name(dtype));
  return *found;
}

std::optional<DType> engine_dtype(StoredDType dtype) {
  switch (dtype) {
    case StoredDType::Float64:
      return DType::Float64;
    case StoredDType::Float32:
      return DType::Float32;
    case StoredDType::Float16:
      return DType::Float16;
    case StoredDType::BFloat16:
      return DType::BFloat16;
    case StoredDType::Int64:
      return DType::Int64;
    case StoredDType::Int32:
      return DType::Int32;
    case StoredDType::Int16:
      return DType::Int16;
    case StoredDType::Int8:
      return DType::Int8;
    case StoredDType::UInt8:
      return DType::UInt8;
    case StoredDType::Bool:
      return DType::Bool;
    default:
      return std::nullopt;
  }
}

double to_double(StoredDType dtype, const std::byte* bytes) {
  switch (dtype) {
    case StoredDType::Float64:
    case StoredDType::Complex128:
      return load<double>(bytes);
    case StoredDType::Float32:
    case StoredDType::Complex64:
      return load<float>(bytes);
    case StoredDType::Float16:
    case StoredDType::Complex32:
      return static_cast<float>(load<Float16>(bytes));
    case StoredDType::BFloat16:
      return static_cast<float>(load<BFloat16>(bytes));
    case StoredDType::Int64:
      return static_cast<double>(load<int64_t>(bytes));
    case StoredDType::Int32:
      return load<int32_t>(bytes);
    case StoredDType::Int16:
      return load<int16_t>(bytes);
    case StoredDType::Int8:
      return load<int8_t>(bytes);
    case StoredDType::UInt64:
      return static_cast<double>(load<uint64_t>(bytes));
    case StoredDType::UInt32:
      return load<uint32_t>(bytes);
    case StoredDType::UInt16:
      return load<uint16_t>(bytes);
    case StoredDType::UInt8:
      return load<uint8_t>(bytes);
    case StoredDType::Bool:
      return load<uint8_t>(bytes) != 0 ? 1 : 0;
    case StoredDType::Float8E4M3FN:
      return small_float(load<uint8_t>(bytes), 3, 7, false, true);
    case StoredDType::Float8E5M2:
      return small_float(load<uint8_t>(bytes), 2, 15, false, false);
    case StoredDType::Float8E4M3FNUZ:
      return small_float(load<uint8_t>(bytes), 3, 8, true, true);
    case StoredDType::Float8E5M2FNUZ:
      return small_float(load<uint8_t>(bytes), 2, 16, true, true);
    case StoredDType::Float8E8M0FNU: {
      const uint8_t bits = load<uint8_t>(bytes);
      return bits == 0xff ? kNaN : std::ldexp(1.0, bits - 127);
    }
    case StoredDType::Float4E2M1FNX2:
      return load<uint8_t>(bytes);
  }
  fail("unknown stored dtype {}", static_cast<int>(dtype));
}

}  // namespace bevgrad
