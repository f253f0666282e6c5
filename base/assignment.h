// Which rows of a matrix of costs go with which columns.
#pragma once
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace bevgrad {

/// Pairs of a row and a column, each once at most, whose costs add up to the least (the Hungarian method in the form of
/// Jonker and Volgenant, 1987): min(rows, columns) pairs by rising row. `cost` row by row; infinity forbids a pair.
/// Throws where the forbidden pairs leave no full matching.
std::vector<std::pair<int64_t, int64_t>> least_cost_pairs(std::span<const double> cost, int64_t rows, int64_t columns);

}  // namespace bevgrad
