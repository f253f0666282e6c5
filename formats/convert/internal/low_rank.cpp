#include "convert/internal/low_rank.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

namespace bevgrad {

namespace {

constexpr int64_t kExtraColumns = 8;
constexpr int kIterations = 12;
constexpr int kSweeps = 60;
constexpr double kNegligible = 1e-14;

double* row_of(Matrix& matrix, int64_t i) {
  return matrix.values.data() + i * matrix.columns;
}
const double* row_of(const Matrix& matrix, int64_t i) {
  return matrix.values.data() + i * matrix.columns;
}

/// matrix * transposed(thin): [rows, columns] and [k, columns] -> [k, rows], the thin one kept by rows.
Matrix times(const Matrix& matrix, const Matrix& thin) {
  Matrix out{thin.rows, matrix.rows, std::vector<double>(static_cast<size_t>(thin.rows * matrix.rows))};
  for (int64_t i = 0; i < matrix.rows; ++i) {
    const double* line = row_of(matrix, i);
    for (int64_t k = 0; k < thin.rows; ++k) {
      row_of(out, k)[i] = std::inner_product(line, line + matrix.columns, row_of(thin, k), 0.0);
    }
  }
  return out;
}

/// thin * matrix: [k, rows] and [rows, columns] -> [k, columns].
Matrix times_transposed(const Matrix& thin, const Matrix& matrix) {
  Matrix out{thin.rows, matrix.columns, std::vector<double>(static_cast<size_t>(thin.rows * matrix.columns))};
  for (int64_t i = 0; i < matrix.rows; ++i) {
    const double* line = row_of(matrix, i);
    for (int64_t k = 0; k < thin.rows; ++k) {
      const double factor = row_of(thin, k)[i];
      double* target = row_of(out, k);
      for (int64_t j = 0; j < matrix.columns; ++j) target[j] += factor * line[j];
    }
  }
  return out;
}

/// Makes the rows orthonormal (Gram and Schmidt, twice); rows that depend on earlier ones become zero.
void orthonormalise(Matrix& thin) {
  for (int64_t k = 0; k < thin.rows; ++k) {
    double* own = row_of(thin, k);
    const double before = std::sqrt(std::inner_product(own, own + thin.columns, own, 0.0));
    for (int pass = 0; pass < 2; ++pass) {
      for (int64_t other = 0; other < k; ++other) {
        const double* earlier = row_of(thin, other);
        const double along = std::inner_product(own, own + thin.columns, earlier, 0.0);
        for (int64_t j = 0; j < thin.columns; ++j) own[j] -= along * earlier[j];
      }
    }
    const double length = std::sqrt(std::inner_product(own, own + thin.columns, own, 0.0));
    const double factor = length > before * kNegligible && length > 0 ? 1 / length : 0;
    for (int64_t j = 0; j < thin.columns; ++j) own[j] *= factor;
  }
}

/// Eigenvectors of a symmetric matrix as rows, by Jacobi's rotations; the matrix becomes diagonal.
Matrix eigenvectors(Matrix& symmetric) {
  const int64_t size = symmetric.rows;
  Matrix vectors{size, size, std::vector<double>(static_cast<size_t>(size * size))};
  for (int64_t i = 0; i < size; ++i) row_of(vectors, i)[i] = 1;
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    double off = 0;
    double all = 0;
    for (int64_t i = 0; i < size; ++i) {
      for (int64_t j = 0; j < size; ++j) {
        const double square = row_of(symmetric, i)[j] * row_of(symmetric, i)[j];
        all += square;
        off += i == j ? 0 : square;
      }
    }
    if (off <= all * kNegligible * kNegligible) break;
    for (int64_t p = 0; p < size; ++p) {
      for (int64_t q = p + 1; q < size; ++q) {
        const double between = row_of(symmetric, p)[q];
        if (between == 0) continue;
        const double theta = (row_of(symmetric, q)[q] - row_of(symmetric, p)[p]) / (2 * between);
        const double tangent = (theta >= 0 ? 1 : -1) / (std::abs(theta) + std::sqrt(theta * theta + 1));
        const double cosine = 1 / std::sqrt(tangent * tangent + 1);
        const double sine = tangent * cosine;
        for (int64_t i = 0; i < size; ++i) {
          double* line = row_of(symmetric, i);
          const double a = line[p];
          const double b = line[q];
          line[p] = cosine * a - sine * b;
          line[q] = sine * a + cosine * b;
        }
        for (Matrix* turned : {&symmetric, &vectors}) {
          double* first = row_of(*turned, p);
          double* second = row_of(*turned, q);
          for (int64_t i = 0; i < size; ++i) {
            const double a = first[i];
            const double b = second[i];
            first[i] = cosine * a - sine * b;
            second[i] = sine * a + cosine * b;
          }
        }
      }
    }
  }
  return vectors;
}

}  // namespace

LowRank low_rank(const Matrix& matrix, int64_t rank) {
  const int64_t most = std::min(matrix.rows, matrix.columns);
  rank = std::min(rank, most);
  const int64_t width = std::min(rank + kExtraColumns, most);
  // A basis of the rows that matter: [width, columns].
  Matrix basis{width, matrix.columns, std::vector<double>(static_cast<size_t>(width * matrix.columns))};
  std::mt19937_64 random(1);
  for (double& value : basis.values) {
    value = static_cast<double>(random() >> 11) * 0x1p-53 - 0.5;  // the standard's distributions differ by library
  }
  orthonormalise(basis);
  for (int i = 0; i < kIterations; ++i) {
    Matrix columns = times(matrix, basis);
    orthonormalise(columns);
    basis = times_transposed(columns, matrix);
    orthonormalise(basis);
  }
  // matrix = (matrix basis^T) basis within the subspace; its Gram matrix has the squares of the singular values.
  const Matrix projected = times(matrix, basis);  // [width, rows]
  Matrix gram = times(projected, projected);      // [width, width]
  const Matrix vectors = eigenvectors(gram);
  std::vector<int64_t> order(static_cast<size_t>(width));
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return row_of(gram, a)[a] > row_of(gram, b)[b]; });

  LowRank out{.left = {matrix.rows, rank, std::vector<double>(static_cast<size_t>(matrix.rows * rank))},
              .right = {rank, matrix.columns, std::vector<double>(static_cast<size_t>(rank * matrix.columns))}};
  out.left_out_squares = std::inner_product(matrix.values.begin(), matrix.values.end(), matrix.values.begin(), 0.0);
  for (int64_t k = 0; k < rank; ++k) {
    const int64_t chosen = order[static_cast<size_t>(k)];
    const double square = std::max(row_of(gram, chosen)[chosen], 0.0);
    out.left_out_squares -= square;
    const double root = std::sqrt(std::sqrt(square));
    for (int64_t w = 0; w < width; ++w) {
      const double share = row_of(vectors, chosen)[w];
      for (int64_t i = 0; i < matrix.rows; ++i) {
        row_of(out.left, i)[k] += root > 0 ? share * row_of(projected, w)[i] / root : 0;
      }
      for (int64_t j = 0; j < matrix.columns; ++j) row_of(out.right, k)[j] += root * share * row_of(basis, w)[j];
    }
  }
  out.left_out_squares = std::max(out.left_out_squares, 0.0);
  return out;
}

}  // namespace bevgrad
