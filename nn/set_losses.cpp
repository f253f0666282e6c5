#include "nn/set_losses.h"

#include <cmath>
#include <limits>

#include "autograd/functions/linear.h"
#include "autograd/functions/pointwise.h"
#include "autograd/functions/reduce.h"
#include "autograd/functions/shape.h"
#include "autograd/functions/statistics.h"
#include "base/assignment.h"

namespace bevgrad {
namespace {

Tensor indices(const std::vector<double>& values) {
  return from_values(values, {static_cast<int64_t>(values.size())}, {DType::Int64});
}

// Rows of length 1.
Tensor directions(const Tensor& x) {
  return div(x, clamp(norm(x, 2, {-1}, true), 1e-12, 1e30));
}

}  // namespace

Assignment linear_sum_assignment(const Tensor& cost) {
  check(cost.defined() && cost.dim() == 2 && is_floating_point(cost.dtype()),
        "linear_sum_assignment: expected floating-point costs [rows,columns], got {}",
        cost.defined() ? describe(cost) : "nothing");
  const std::vector<double> values = detach(cost).to_vector();
  for (const double value : values)
    check(value > -std::numeric_limits<double>::infinity(),
          "linear_sum_assignment: a cost is {}, expected a number or infinity", value);
  std::vector<double> rows, columns;
  for (const auto& [row, column] : least_cost_pairs(values, cost.size(0), cost.size(1))) {
    rows.push_back(static_cast<double>(row));
    columns.push_back(static_cast<double>(column));
  }
  return {indices(rows), indices(columns)};
}

Tensor chamfer_distance(const Tensor& x, const Tensor& y) {
  tape::check_defined("chamfer_distance", {{"x", x}, {"y", y}});
  check(x.dim() == 3 && y.dim() == 3 && x.size(0) == y.size(0) && x.size(2) == y.size(2) && x.size(1) > 0 &&
            y.size(1) > 0 && x.dtype() == y.dtype(),
        "chamfer_distance: {} and {}, expected [N,P,D] and [N,Q,D] with points", describe(x), describe(y));
  // Differences first: the products' way loses the small distances that count.
  const Tensor apart = sub(unsqueeze(x, 2), unsqueeze(y, 1));
  const Tensor distances = sum(mul(apart, apart), {3});
  return add(mean(min(distances, 2)), mean(min(distances, 1)));
}

Tensor info_nce_loss(const Tensor& queries, const Tensor& keys, double temperature, bool symmetric) {
  tape::check_defined("info_nce_loss", {{"queries", queries}, {"keys", keys}});
  check(queries.dim() == 2 && queries.sizes() == keys.sizes() && queries.dtype() == keys.dtype() && temperature > 0,
        "info_nce_loss: queries {}, keys {}, temperature {}; expected both [N,D] and a positive number",
        describe(queries), describe(keys), temperature);
  const Tensor scores = div(matmul(directions(queries), transpose(directions(keys), 0, 1)), temperature);
  const Tensor places = arange(static_cast<double>(queries.size(0)), TensorOptions{DType::Int64, {}, queries.device()});
  const Tensor loss = cross_entropy(scores, places);
  return symmetric ? mul(add(loss, cross_entropy(transpose(scores, 0, 1), places)), 0.5) : loss;
}

}  // namespace bevgrad
