// Element types of a tensor, their names and sizes, and the one dispatch from a run-time dtype to a C++ type.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "tensor/bfloat16.h"

namespace bevgrad {

enum class DType : uint8_t { Float32, Float64, BFloat16, Float16, Int64, Int32, Int16, Int8, UInt8, Bool };

/// Bytes of one element.
size_t item_size(DType dtype);
/// Lower-case name as NumPy and PyTorch spell it: "float32", "bfloat16", "int64", "bool", ...
std::string_view name(DType dtype);
bool is_floating_point(DType dtype);

template <class T>
constexpr DType dtype_of();
template <>
constexpr DType dtype_of<float>() {
  return DType::Float32;
}
template <>
constexpr DType dtype_of<double>() {
  return DType::Float64;
}
template <>
constexpr DType dtype_of<BFloat16>() {
  return DType::BFloat16;
}
template <>
constexpr DType dtype_of<Float16>() {
  return DType::Float16;
}
template <>
constexpr DType dtype_of<int64_t>() {
  return DType::Int64;
}
template <>
constexpr DType dtype_of<int32_t>() {
  return DType::Int32;
}
template <>
constexpr DType dtype_of<int16_t>() {
  return DType::Int16;
}
template <>
constexpr DType dtype_of<int8_t>() {
  return DType::Int8;
}
template <>
constexpr DType dtype_of<uint8_t>() {
  return DType::UInt8;
}
template <>
constexpr DType dtype_of<bool>() {
  return DType::Bool;
}

/// The type in which values of T are computed: float for the 16-bit types, T itself otherwise.
template <class T>
struct ComputeType {
  using type = T;
};
template <>
struct ComputeType<BFloat16> {
  using type = float;
};
template <>
struct ComputeType<Float16> {
  using type = float;
};
template <class T>
using compute_t = typename ComputeType<T>::type;

/// Calls `f.template operator()<T>()` with the C++ type of a floating dtype: float, double or BFloat16.
/// `op` names the caller in the error for any other dtype.
template <class F>
decltype(auto) dispatch_floating(std::string_view op, DType dtype, F&& f) {
  switch (dtype) {
    case DType::Float32:
      return std::forward<F>(f).template operator()<float>();
    case DType::Float64:
      return std::forward<F>(f).template operator()<double>();
    case DType::BFloat16:
      return std::forward<F>(f).template operator()<BFloat16>();
    default:
      fail("{}: dtype {} is not supported, expected float32, float64 or bfloat16", op, name(dtype));
  }
}

/// The same over every dtype.
template <class F>
decltype(auto) dispatch_all(DType dtype, F&& f) {
  switch (dtype) {
    case DType::Float32:
      return std::forward<F>(f).template operator()<float>();
    case DType::Float64:
      return std::forward<F>(f).template operator()<double>();
    case DType::BFloat16:
      return std::forward<F>(f).template operator()<BFloat16>();
    case DType::Float16:
      return std::forward<F>(f).template operator()<Float16>();
    case DType::Int64:
      return std::forward<F>(f).template operator()<int64_t>();
    case DType::Int32:
      return std::forward<F>(f).template operator()<int32_t>();
    case DType::Int16:
      return std::forward<F>(f).template operator()<int16_t>();
    case DType::Int8:
      return std::forward<F>(f).template operator()<int8_t>();
    case DType::UInt8:
      return std::forward<F>(f).template operator()<uint8_t>();
    case DType::Bool:
      return std::forward<F>(f).template operator()<bool>();
  }
  fail("unknown dtype {}", static_cast<int>(dtype));
}

}  // namespace bevgrad
