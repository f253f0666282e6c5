// The definition of sampling a map at given places, written element by element.
#pragma once
#include <cmath>
#include <functional>
#include <utility>

#include "autograd/functions/grid_sample.h"
#include "support/op_case.h"

namespace bevgrad::testing {

/// Values at the position (column, row) in source pixels that `position` gives each output cell; zero outside.
inline OpFunction sampled_at(std::function<std::pair<double, double>(int64_t n, int64_t row, int64_t column)> position,
                             int64_t rows, int64_t columns, Interpolation mode) {
  return [=](const std::vector<Tensor>& inputs) {
    const Tensor& x = inputs[0];
    const auto values = x.to_vector();
    auto value = [&](int64_t n, int64_t c, double row, double column) {
      if (row < 0 || column < 0 || row >= static_cast<double>(x.size(2)) || column >= static_cast<double>(x.size(3)))
        return 0.0;
      return values[static_cast<size_t>(((n * x.size(1) + c) * x.size(2) + static_cast<int64_t>(row)) * x.size(3) +
                                        static_cast<int64_t>(column))];
    };
    std::vector<double> result;
    for (int64_t n = 0; n < x.size(0); ++n)
      for (int64_t c = 0; c < x.size(1); ++c)
        for (int64_t row = 0; row < rows; ++row)
          for (int64_t column = 0; column < columns; ++column) {
            const auto [u, v] = position(n, row, column);
            if (mode == Interpolation::Nearest) {
              result.push_back(value(n, c, std::nearbyint(v), std::nearbyint(u)));
              continue;
            }
            const double u0 = std::floor(u), v0 = std::floor(v), fu = u - u0, fv = v - v0;
            result.push_back((1 - fv) * ((1 - fu) * value(n, c, v0, u0) + fu * value(n, c, v0, u0 + 1)) +
                             fv * ((1 - fu) * value(n, c, v0 + 1, u0) + fu * value(n, c, v0 + 1, u0 + 1)));
          }
    return from_values(result, {x.size(0), x.size(1), rows, columns}, {DType::Float64});
  };
}

}  // namespace bevgrad::testing
