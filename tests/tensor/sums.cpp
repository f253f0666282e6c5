// Sums of shapes that fill no whole vectors, blocks or chunks, beside sums of one element after the other.
#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <limits>

#include "tensor/euclidean.h"
#include "tensor/ops.h"
#include "tensor/random.h"

namespace bevgrad {
namespace {

// Of [outer, n, inner] over n, in float64.
std::vector<double> plain_sums(const Tensor& x, bool squares) {
  const std::vector<double> values = x.to_vector();
  const int64_t outer = x.size(0), n = x.size(1), inner = x.size(2);
  std::vector<double> sums(static_cast<size_t>(outer * inner), 0.0);
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t k = 0; k < n; ++k)
      for (int64_t i = 0; i < inner; ++i) {
        const double value = values[(o * n + k) * inner + i];
        sums[o * inner + i] += squares ? value * value : value;
      }
  return sums;
}

void expect_sums(const Tensor& x) {
  const auto expected = plain_sums(x, false), squares = plain_sums(x, true);
  const auto sums = ops::sum(x, {1}).to_vector(), roots = ops::root_of_squares(x, {1}).to_vector();
  ASSERT_EQ(sums.size(), expected.size());
  ASSERT_EQ(roots.size(), expected.size());
  const double spacing = x.dtype() == DType::Float64 ? 1e-13 : (x.dtype() == DType::Float32 ? 6e-8 : 4e-3);
  for (size_t i = 0; i < expected.size(); ++i) {
    // Float64's own rounding grows with the terms; the result is rounded once.
    EXPECT_NEAR(sums[i], expected[i], spacing * std::abs(expected[i]) + 1e-13 * std::sqrt(squares[i] + 1)) << i;
    EXPECT_NEAR(roots[i], std::sqrt(squares[i]), 1.6 * spacing * std::sqrt(squares[i])) << i;
  }
}

TEST(Sums, OddShapesOfEveryDtype) {
  Generator generator(3);
  const std::vector<Shape> shapes = {
      {1, 1, 1},    {1, 15, 1},    {3, 16, 1},     {2, 17, 1},    {5, 63, 1},    {2, 65, 1},   {1, 40000, 1},
      {0, 4, 3},    {2, 0, 3},     {2, 3, 0},      {1, 1, 2},     {2, 31, 2},    {1, 33, 3},   {3, 300, 5},
      {2, 8, 15},   {1, 9, 16},    {2, 70, 17},    {1, 1000, 64}, {1, 77, 100},  {2, 40, 127}, {1, 35, 129},
      {1, 7, 1024}, {2, 66, 1030}, {1, 130, 1500}, {1, 2, 3000},  {1, 9000, 48}, {1, 4099, 33}};
  for (const DType dtype : {DType::Float32, DType::Float64, DType::BFloat16})
    for (const Shape& sizes : shapes) {
      SCOPED_TRACE(to_string(sizes));
      expect_sums(ops::to(generator.uniform(sizes, -1, 2), dtype));
    }
}

TEST(Sums, StridesBroadcastsAndNoDimension) {
  Generator generator(4);
  const Tensor x = generator.uniform({6, 37, 10}, -1, 1);
  expect_sums(ops::permute(x, {2, 1, 0}));
  expect_sums(ops::permute(x, {0, 2, 1}));
  expect_sums(ops::narrow(ops::narrow(x, 1, 3, 31), 2, 1, 7));
  expect_sums(ops::expand(ops::narrow(x, 1, 5, 1), {6, 19, 10}));
  const Tensor number = full({}, 2.5);
  EXPECT_EQ(ops::sum(number).item(), 2.5);
  EXPECT_EQ(ops::root_of_squares(number, {}).item(), 2.5);
  EXPECT_EQ(ops::root_of_squares(x, {0, 2}).sizes(), Shape({1, 37, 1}));
  EXPECT_EQ(ops::sum(zeros({3, 0})).item(), 0);
  EXPECT_EQ(ops::sum(ops::to(full({5, 40}, 3), DType::Int32), {0}).to_vector(), std::vector<double>(40, 15.0));
}

TEST(Sums, ThreadsChangeNoBit) {
  Generator generator(5);
  const int threads = omp_get_max_threads();
  for (const Shape& sizes :
       std::vector<Shape>{{1, 100003, 1}, {50, 3001, 1}, {1, 5000, 65}, {3, 700, 1030}, {900, 3, 40}}) {
    const Tensor x = generator.uniform(sizes, -1, 1);
    std::vector<std::vector<double>> results;
    for (const int count : {1, 2, 5}) {
      omp_set_num_threads(count);
      results.push_back(ops::sum(x, {1}).to_vector());
      results.back().push_back(ops::sum(x).item());
      results.back().push_back(ops::sum_of_squares(x));
    }
    omp_set_num_threads(threads);
    EXPECT_EQ(results[0], results[1]) << to_string(sizes);
    EXPECT_EQ(results[0], results[2]) << to_string(sizes);
  }
}

TEST(Sums, OneValueThatIsNotFiniteShowsAtEveryPlace) {
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), HUGE_VAL, -HUGE_VAL})
    for (int64_t place = 0; place < 85; ++place) {
      const Tensor x = full({85}, -1);
      ops::fill_(ops::narrow(x, 0, place, 1), bad);
      EXPECT_FALSE(ops::all_finite(x)) << place;
      EXPECT_FALSE(std::isfinite(ops::sum(x).item())) << place;
      EXPECT_FALSE(std::isfinite(ops::root_of_squares(x, {}).item())) << place;
    }
}

}  // namespace
}  // namespace bevgrad
