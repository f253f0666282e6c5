// Indices that work together in teams.
#include <gtest/gtest.h>

#include "support/devices.h"
#include "tensor/launch_teams.h"
#include "tensor/ops.h"
#include "tensor/random.h"

namespace bevgrad {
namespace {

struct SumAndSquares {
  static constexpr int kSums = 2;
  const double* in;
  double* out;
  int64_t columns;

  BEVGRAD_HD void add(int64_t row, int64_t column, double* sums) const {
    const double value = in[row * columns + column];
    sums[0] += value;
    sums[1] += value * value;
  }
  BEVGRAD_HD void finish(int64_t column, const double* sums) const {
    out[column] = sums[0];
    out[columns + column] = sums[1];
  }
};

TEST(Teams, SumColumnsOfAnySize) {
  Generator generator(5);
  for (const auto& [rows, columns] : std::vector<std::pair<int64_t, int64_t>>{
           {0, 3}, {1, 1}, {7, 5}, {63, 4}, {64, 1}, {65, 6}, {513, 2}, {5000, 9}}) {
    const Tensor in = generator.uniform({rows, columns}, 0, 1, {.dtype = DType::Float64});
    std::vector<double> expected(static_cast<size_t>(2 * columns), 0.0);
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < columns; ++c) {
        const double value = in.data<double>()[r * columns + c];
        expected[static_cast<size_t>(c)] += value;
        expected[static_cast<size_t>(columns + c)] += value * value;
      }
    std::vector<double> first;
    for (const Device device : test_devices()) {
      const Tensor data = ops::to(in, device);
      const Tensor out = empty({2, columns}, {DType::Float64, {}, device});
      launch_column_sums(device, rows, columns, SumAndSquares{data.data<double>(), out.data<double>(), columns});
      const std::vector<double> sums = out.to_vector();
      for (size_t i = 0; i < sums.size(); ++i) EXPECT_NEAR(sums[i], expected[i], 1e-9) << rows << " x " << columns;
      if (first.empty()) first = sums;
      EXPECT_EQ(sums, first) << "the order of additions is the same everywhere";
    }
  }
}

}  // namespace
}  // namespace bevgrad
