// The loss of boxes at objects' centres.
#include <algorithm>
#include <cmath>

#include "autograd/constant.h"
#include "autograd/functions/cells.h"
#include "autograd/functions/pointwise.h"
#include "autograd/functions/reduce.h"
#include "losses/internal/whole_batch.h"
#include "nn/losses.h"

namespace bevgrad {

Tensor indexed_l1_loss(const Tensor& predicted, const Tensor& cells, const Tensor& targets,
                       const std::vector<double>& weights) {
  check(predicted.dim() == 4 && cells.dim() == 1 && targets.sizes() == Shape({cells.numel(), predicted.size(1)}) &&
            targets.dtype() == predicted.dtype(),
        "indexed_l1_loss: predicted {}, cells {}, targets {}; expected [N,C,H,W], int64 [M] and [M,C]",
        describe(predicted), describe(cells), describe(targets));
  check(weights.empty() || static_cast<int64_t>(weights.size()) == predicted.size(1),
        "indexed_l1_loss: {} weights were given for {} channels", weights.size(), predicted.size(1));
  check_constant("indexed_l1_loss", {{"targets", targets}});
  // A missing target becomes 0 with no weight.
  const int64_t channels = predicted.size(1);
  std::vector<double> values = targets.to_vector(), factors(values.size());
  const double share = 1.0 / std::max(1.0, whole_batch_count(static_cast<double>(cells.numel())));
  for (size_t i = 0; i < values.size(); ++i) {
    const bool missing = std::isnan(values[i]);
    factors[i] = missing ? 0.0 : share * (weights.empty() ? 1.0 : weights[i % static_cast<size_t>(channels)]);
    if (missing) values[i] = 0;
  }
  const TensorOptions like = {predicted.dtype(), {}, predicted.device()};
  const Tensor wanted = from_values(values, targets.sizes(), like);
  const Tensor factor = from_values(factors, targets.sizes(), like);
  return sum(mul(abs(sub(gather_cells(predicted, cells), wanted)), factor));
}

}  // namespace bevgrad
