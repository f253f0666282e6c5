// A plain way to write references on [N,C,H,W] in float64.
#pragma once
#include <vector>

#include "tensor/tensor.h"

namespace bevgrad::testing {

/// The elements of a tensor in logical order with indexing; reading outside gives 0.
struct Image {
  int64_t n, c, h, w;
  std::vector<double> values;

  Image(int64_t n, int64_t c, int64_t h, int64_t w)
      : n(n), c(c), h(h), w(w), values(static_cast<size_t>(n * c * h * w), 0.0) {}
  explicit Image(const Tensor& x) : n(x.size(0)), c(x.size(1)), h(x.size(2)), w(x.size(3)), values(x.to_vector()) {}

  bool inside(int64_t y, int64_t x) const { return y >= 0 && y < h && x >= 0 && x < w; }
  double& at(int64_t i, int64_t k, int64_t y, int64_t x) { return values[((i * c + k) * h + y) * w + x]; }
  double get(int64_t i, int64_t k, int64_t y, int64_t x) const {
    return inside(y, x) ? values[((i * c + k) * h + y) * w + x] : 0.0;
  }
  Tensor tensor() const { return from_values(values, {n, c, h, w}, {DType::Float64}); }

  /// Calls f(i, k, y, x) for every element.
  template <class F>
  void for_each(F&& f) const {
    for (int64_t i = 0; i < n; ++i)
      for (int64_t k = 0; k < c; ++k)
        for (int64_t y = 0; y < h; ++y)
          for (int64_t x = 0; x < w; ++x) f(i, k, y, x);
  }
};

}  // namespace bevgrad::testing
