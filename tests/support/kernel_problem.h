// Tensors for tests of the backend table on any device: made on the CPU from values that bfloat16 holds exactly, so
// that only the arithmetic is compared.
#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

#include "tensor/ops.h"
#include "tensor/random.h"

namespace bevgrad {

inline Tensor exact(Generator& generator, const Shape& sizes, double low = -1, double high = 1) {
  return ops::to(ops::to(generator.uniform(sizes, low, high), DType::BFloat16), DType::Float64);
}

inline Tensor on(const Tensor& x, Device device, DType dtype) {
  return x.defined() ? ops::to(ops::to(x, dtype), device) : Tensor();
}

inline DType parameters_of(DType activations) {
  return activations == DType::Float64 ? DType::Float64 : DType::Float32;
}

inline double largest_value(const Tensor& x) {
  double largest = 1e-30;
  for (double value : x.to_vector()) largest = std::max(largest, std::abs(value));
  return largest;
}

/// Largest difference as a share of the largest expected value, or of `magnitude` where that is more: terms of that
/// size may have cancelled out.
inline double largest_error(const Tensor& actual, const Tensor& expected, double magnitude = 0) {
  const std::vector<double> a = actual.to_vector(), e = expected.to_vector();
  double difference = a.size() == e.size() ? 0 : INFINITY;
  for (size_t i = 0; i < std::min(a.size(), e.size()); ++i) {
    const double d = std::abs(a[i] - e[i]);
    difference = d <= difference ? difference : d;  // a NaN stays
  }
  return difference / std::max(largest_value(expected), magnitude);
}

/// What rounding to `dtype` may cost.
inline double tolerance(DType dtype) {
  return dtype == DType::BFloat16 ? 8e-3 : dtype == DType::Float32 ? 1e-5 : 1e-12;
}

inline bool same_bits(const Tensor& a, const Tensor& b) {
  return a.to_vector() == b.to_vector();
}

}  // namespace bevgrad
