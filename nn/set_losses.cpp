#include "nn/set_losses.h"

#include <cmath>
#include <limits>

#include "autograd/functions/linear.h"
#include "autograd/functions/pointwise.h"
#include "autograd/functions/reduce.h"
#include "autograd/functions/shape.h"
#include "autograd/functions/statistics.h"

namespace bevgrad {
namespace {

constexpr double kForbidden = std::numeric_limits<double>::infinity();

// The column of each row, rows <= columns: shortest augmenting paths over reduced costs, one row after the other.
std::vector<int64_t> assigned(const std::vector<double>& cost, int64_t rows, int64_t columns) {
  const auto width = static_cast<size_t>(columns);
  std::vector<double> row_price(static_cast<size_t>(rows), 0.0), column_price(width, 0.0);
  std::vector<int64_t> row_of(width, -1), column_of(static_cast<size_t>(rows), -1);
  for (int64_t start = 0; start < rows; ++start) {
    std::vector<double> distance(width, kForbidden);
    std::vector<int64_t> came_from(width, -1);  // the row before the column on its path
    std::vector<bool> done(width, false);
    int64_t row = start, last = -1;
    double travelled = 0;
    while (last < 0) {
      int64_t nearest = -1;
      for (int64_t c = 0; c < columns; ++c) {
        if (done[c]) continue;
        const double through = travelled + cost[row * columns + c] - row_price[row] - column_price[c];
        if (through < distance[c]) {
          distance[c] = through;
          came_from[c] = row;
        }
        // Of equal ones a free column ends the search.
        if (nearest < 0 || distance[c] < distance[nearest] || (distance[c] == distance[nearest] && row_of[c] < 0))
          nearest = c;
      }
      check(nearest >= 0 && distance[nearest] < kForbidden,
            "linear_sum_assignment: the allowed pairs leave no matching for row {}", start);
      done[nearest] = true;
      travelled = distance[nearest];
      if (row_of[nearest] < 0) {
        last = nearest;
      } else {
        row = row_of[nearest];
      }
    }
    row_price[start] += travelled;
    for (int64_t c = 0; c < columns; ++c) {
      if (!done[c] || c == last) continue;
      row_price[row_of[c]] += travelled - distance[c];
      column_price[c] -= travelled - distance[c];
    }
    for (int64_t c = last; c >= 0;) {
      const int64_t owner = came_from[c];
      row_of[c] = owner;
      std::swap(column_of[owner], c);
    }
  }
  return column_of;
}

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
  const bool tall = cost.size(0) > cost.size(1);
  const Tensor wide = tall ? ops::transpose(detach(cost), 0, 1) : detach(cost);
  const std::vector<double> values = wide.to_vector();
  for (const double value : values)
    check(value > -kForbidden, "linear_sum_assignment: a cost is {}, expected a number or infinity", value);
  const std::vector<int64_t> columns = assigned(values, wide.size(0), wide.size(1));
  std::vector<double> first, second;
  if (!tall) {
    for (size_t r = 0; r < columns.size(); ++r) {
      first.push_back(static_cast<double>(r));
      second.push_back(static_cast<double>(columns[r]));
    }
    return {indices(first), indices(second)};
  }
  std::vector<int64_t> column_of(static_cast<size_t>(cost.size(0)), -1);
  for (size_t c = 0; c < columns.size(); ++c) column_of[columns[c]] = static_cast<int64_t>(c);
  for (size_t r = 0; r < column_of.size(); ++r) {
    if (column_of[r] < 0) continue;
    first.push_back(static_cast<double>(r));
    second.push_back(static_cast<double>(column_of[r]));
  }
  return {indices(first), indices(second)};
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
