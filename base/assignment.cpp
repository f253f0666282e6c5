#include "base/assignment.h"

#include <limits>

#include "base/error.h"

namespace bevgrad {
namespace {

constexpr double kForbidden = std::numeric_limits<double>::infinity();

// The column of each row, rows <= columns: shortest augmenting paths over reduced costs, one row after the other.
std::vector<int64_t> assigned(std::span<const double> cost, int64_t rows, int64_t columns) {
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

}  // namespace

std::vector<std::pair<int64_t, int64_t>> least_cost_pairs(std::span<const double> cost, int64_t rows, int64_t columns) {
  std::vector<std::pair<int64_t, int64_t>> pairs;
  if (rows <= columns) {
    const std::vector<int64_t> column_of = assigned(cost, rows, columns);
    for (int64_t r = 0; r < rows; ++r) pairs.emplace_back(r, column_of[r]);
    return pairs;
  }
  std::vector<double> turned;
  for (int64_t c = 0; c < columns; ++c)
    for (int64_t r = 0; r < rows; ++r) turned.push_back(cost[r * columns + c]);
  std::vector<int64_t> column_of(static_cast<size_t>(rows), -1);
  const std::vector<int64_t> row_of = assigned(turned, columns, rows);
  for (int64_t c = 0; c < columns; ++c) column_of[row_of[c]] = c;
  for (int64_t r = 0; r < rows; ++r)
    if (column_of[r] >= 0) pairs.emplace_back(r, column_of[r]);
  return pairs;
}

}  // namespace bevgrad
