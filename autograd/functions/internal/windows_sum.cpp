#include "functions/internal/windows_sum.h"

#include <algorithm>

#include "autograd/functions/indexing.h"
#include "autograd/functions/pointwise.h"

namespace bevgrad {

Tensor sum_windows(const Tensor& x, int dim, const std::vector<WeightedWindow>& windows) {
  size_t longest = 0;
  for (const WeightedWindow& window : windows) longest = std::max(longest, window.weights.size());
  Shape along(static_cast<size_t>(x.dim()), 1);
  Tensor y;
  // The k-th place of every window that has one.
  for (size_t k = 0; k < longest; ++k) {
    std::vector<double> from, to, weights;
    for (size_t i = 0; i < windows.size(); ++i) {
      if (k >= windows[i].weights.size()) continue;
      from.push_back(static_cast<double>(windows[i].first + static_cast<int64_t>(k)));
      to.push_back(static_cast<double>(i));
      weights.push_back(windows[i].weights[k]);
    }
    const auto count = static_cast<int64_t>(from.size());
    along[static_cast<size_t>(dim)] = count;
    const TensorOptions places{DType::Int64, {}, x.device()};
    const Tensor term = mul(index_select(x, dim, from_values(from, {count}, places)),
                            from_values(weights, along, {x.dtype(), {}, x.device()}));
    y = k == 0 ? term
               : (from.size() == windows.size() ? add(y, term)
                                                : index_add(y, dim, from_values(to, {count}, places), term));
  }
  return y;
}

}  // namespace bevgrad
