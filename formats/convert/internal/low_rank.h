// The best approximation of a matrix by a product of two thin ones.
#pragma once
#include <cstdint>
#include <vector>

namespace bevgrad {

/// Row-major.
struct Matrix {
  int64_t rows = 0;
  int64_t columns = 0;
  std::vector<double> values = {};
};

struct LowRank {
  Matrix left;                  // [rows, rank]
  Matrix right;                 // [rank, columns]
  double left_out_squares = 0;  // sum of squares of what the product lacks
};

/// Truncated singular value decomposition by iterating on a subspace that is somewhat wider than `rank`; the singular
/// values' roots go to both sides. Deterministic.
LowRank low_rank(const Matrix& matrix, int64_t rank);

}  // namespace bevgrad
