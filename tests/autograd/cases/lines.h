// References for functions that work along one dimension: each line by itself, in plain numbers.
#pragma once
#include <functional>
#include <vector>

#include "support/op_case.h"

namespace bevgrad::testing {

/// f of every line of x along `dim`, put back in its place; lines may change their length.
inline Tensor by_lines(const Tensor& x, int dim,
                       const std::function<std::vector<double>(const std::vector<double>&)>& f) {
  const Tensor last = ops::contiguous(ops::transpose(x, dim, -1));
  const std::vector<double> values = last.to_vector();
  const int64_t n = last.size(-1);
  std::vector<double> result;
  for (int64_t begin = 0; begin < last.numel(); begin += n) {
    const std::vector<double> line = f({values.begin() + begin, values.begin() + begin + n});
    result.insert(result.end(), line.begin(), line.end());
  }
  Shape sizes = last.sizes();
  sizes.back() = static_cast<int64_t>(result.size()) / (last.numel() / n);
  return ops::transpose(from_values(result, sizes, {DType::Float64}), dim, -1);
}

}  // namespace bevgrad::testing
