// The loss of which class it is, at cells that are of some class.
#include <algorithm>
#include <numeric>

#include "autograd/constant.h"
#include "autograd/functions/cells.h"
#include "autograd/functions/pointwise.h"
#include "autograd/functions/reduce.h"
#include "autograd/functions/shape.h"
#include "autograd/functions/softmax.h"
#include "losses/internal/whole_batch.h"
#include "nn/losses.h"

namespace bevgrad {

Tensor indexed_cross_entropy(const Tensor& predicted, const Tensor& cells, const Tensor& targets) {
  check(predicted.dim() == 4 && cells.dim() == 1 && targets.sizes() == Shape({cells.numel(), predicted.size(1)}) &&
            targets.dtype() == DType::Float64,
        "indexed_cross_entropy: predicted {}, cells {}, targets {}; expected [N,C,H,W], int64 [M] and float64 [M,C]",
        describe(predicted), describe(cells), describe(targets));
  check_constant("indexed_cross_entropy", {{"targets", targets}});
  std::vector<double> factors = targets.to_vector();
  const auto bad = std::ranges::find_if(factors, [](double t) { return !(t >= 0); });
  check(bad == factors.end(), "indexed_cross_entropy: a target is {}, expected 0 or more",
        bad == factors.end() ? 0.0 : *bad);
  const double total = whole_batch_count(std::accumulate(factors.begin(), factors.end(), 0.0));
  for (double& factor : factors) factor /= -std::max(1e-6, total);
  const Tensor at_cells = gather_cells(predicted, cells);
  const DType wide = predicted.dtype() == DType::Float64 ? DType::Float64 : DType::Float32;
  const Tensor factor = from_values(factors, targets.sizes(), {wide, {}, predicted.device()});
  return sum(mul(log_softmax(to(at_cells, wide), 1), factor));
}

}  // namespace bevgrad
