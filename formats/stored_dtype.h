// Element types as files have them: every dtype that PyTorch saves, of which the engine computes with some.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "tensor/dtype.h"

namespace bevgrad {

enum class StoredDType : uint8_t {
  Float64,
  Float32,
  Float16,
  BFloat16,
  Complex128,
  Complex64,
  Complex32,
  Int64,
  Int32,
  Int16,
  Int8,
  UInt64,
  UInt32,
  UInt16,
  UInt8,
  Bool,
  Float8E4M3FN,
  Float8E5M2,
  Float8E4M3FNUZ,
  Float8E5M2FNUZ,
  Float8E8M0FNU,
  Float4E2M1FNX2,  // two values in a byte; shapes count bytes, as PyTorch does
};
inline constexpr int kStoredDTypeCount = 22;

/// Bytes of one element.
size_t item_size(StoredDType dtype);
/// Bytes of the unit that is reversed in a big-endian file: half an element for complex numbers.
size_t swap_size(StoredDType dtype);
/// As PyTorch spells it: "float32", "complex64", "float8_e4m3fn".
std::string_view name(StoredDType dtype);
std::optional<StoredDType> stored_dtype_named(std::string_view name);
/// Whether values are real or complex floating-point numbers of any width.
bool is_floating_point(StoredDType dtype);

StoredDType stored_dtype(DType dtype);
/// The engine's dtype of the same bits; nothing where the engine has none.
std::optional<DType> engine_dtype(StoredDType dtype);

/// One element at `bytes` (little-endian, item_size bytes) as double; the real part of a complex number. Exact but for
/// 64-bit integers past 2^53.
double to_double(StoredDType dtype, const std::byte* bytes);

}  // namespace bevgrad
