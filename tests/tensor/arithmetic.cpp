// Arithmetic on plain tensors beyond what the rows of tests/autograd show: layouts, precision, threads, in-place.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <limits>

#include "tensor/elementary.h"
#include "tensor/ops.h"
#include "tensor/random.h"

namespace bevgrad {
namespace {

using ::testing::ElementsAre;

TEST(Arithmetic, LargeMixedLayoutsAgree) {
  Generator generator(8);
  const Tensor a = generator.uniform({3, 24, 40, 50}), b = generator.uniform({3, 24, 40, 50}, 1, 2);
  const Tensor channel = generator.uniform({24, 1, 1}), map = generator.uniform({3, 1, 40, 50});
  const Tensor last = ops::contiguous(a, MemoryFormat::ChannelsLast);
  const auto expected = ops::add(ops::mul(ops::div(a, b), channel), map).to_vector();
  const Tensor y = ops::add(ops::mul(ops::div(last, b), channel), map);
  EXPECT_EQ(y.suggested_format(), MemoryFormat::ChannelsLast);
  EXPECT_EQ(y.to_vector(), expected);
  // Where the first input broadcasts, the full-size one sets the layout.
  EXPECT_EQ(ops::mul(map, last).suggested_format(), MemoryFormat::ChannelsLast);
}

TEST(Arithmetic, InPlace) {
  const Tensor x = from_values({1, 2, 3, 4}, {2, 2});
  const uint64_t version = x.storage()->version;
  ops::add_(x, from_values({10, 20}, {2}), 0.5);
  EXPECT_THAT(x.to_vector(), ElementsAre(6, 12, 8, 14));
  ops::mul_(ops::select(x, 1, 0), 2.0);
  EXPECT_THAT(x.to_vector(), ElementsAre(12, 12, 16, 14));
  ops::mul_(x, from_values({0, 1}, {2}));
  EXPECT_THAT(x.to_vector(), ElementsAre(0, 12, 0, 14));
  EXPECT_EQ(x.storage()->version, version + 3);
  EXPECT_THROW(ops::add_(x, zeros({3})), Error);
}

TEST(Arithmetic, NaNPassesThroughReluAndClamp) {
  const Tensor x = from_values({std::nan(""), -1, 1}, {3});
  EXPECT_TRUE(std::isnan(ops::relu(x).to_vector()[0]));
  EXPECT_TRUE(std::isnan(ops::clamp(x, 0, 1).to_vector()[0]));
  EXPECT_TRUE(std::isnan(ops::max(x, 0).item()));
  EXPECT_FALSE(ops::all_finite(x));
}

TEST(Elementary, ExpAndLogAreAccurate) {
  for (float x = -103.0f; x < 89.0f; x += 0.0137f) {
    const double expected = std::exp(static_cast<double>(x));
    if (expected > std::numeric_limits<float>::max()) continue;
    const double spacing = std::max(expected * 0x1p-23, 0x1p-149);
    EXPECT_NEAR(elementary::exp(x), expected, 2 * spacing) << x;
  }
  for (float x = 1e-42f; x < 1e38f; x *= 1.0173f) {
    const double expected = std::log(static_cast<double>(x));
    EXPECT_NEAR(elementary::log(x), expected, 2e-7 * std::max(1.0, std::abs(expected))) << x;
    if (x < 1.0f) {
      EXPECT_NEAR(elementary::log1p_of_unit(x), std::log1p(static_cast<double>(x)), 4e-7 * x + 0x1p-149) << x;
    }
  }
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(elementary::exp(-kInfinity), 0.0f);
  EXPECT_EQ(elementary::exp(kInfinity), kInfinity);
  EXPECT_TRUE(std::isnan(elementary::exp(std::nanf(""))));
  EXPECT_EQ(elementary::exp(0.0f), 1.0f);
  EXPECT_EQ(elementary::log(0.0f), -kInfinity);
  EXPECT_EQ(elementary::log(1.0f), 0.0f);
  EXPECT_EQ(elementary::log(kInfinity), kInfinity);
  EXPECT_TRUE(std::isnan(elementary::log(-1.0f)));
  EXPECT_EQ(ops::sigmoid(from_values({-200, 200}, {2})).to_vector(), (std::vector<double>{0, 1}));
}

TEST(Reductions, EveryCombinationOfDimensions) {
  const Tensor base = Generator(6).uniform({3, 4, 5, 6}, -1, 1, {DType::Float64});
  const auto values = base.to_vector();
  for (MemoryFormat format : {MemoryFormat::Contiguous, MemoryFormat::ChannelsLast})
    for (int mask = 1; mask < 16; ++mask) {  // no dimensions are all of them
      std::vector<int> dims;
      Shape kept = base.sizes();
      for (int d = 0; d < 4; ++d)
        if (mask >> d & 1) dims.push_back(d), kept[d] = 1;
      std::vector<double> expected(static_cast<size_t>(numel(kept)), 0.0);
      for (size_t i = 0; i < values.size(); ++i) {
        size_t rest = i, position = 0, step = 1;
        for (int d = 3; d >= 0; --d) {
          const auto size = static_cast<size_t>(base.size(d));
          if (!(mask >> d & 1)) position += rest % size * step;
          step *= static_cast<size_t>(kept[d]);
          rest /= size;
        }
        expected[position] += values[i];
      }
      const Tensor y = ops::sum(ops::contiguous(base, format), dims, true);
      EXPECT_EQ(y.sizes(), kept);
      const auto actual = y.to_vector();
      for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(actual[i], expected[i], 1e-12) << mask;
    }
}

TEST(Reductions, PreciseAndIndependentOfThreads) {
  const Tensor x = ops::add(Generator(6).uniform({4, 16, 200, 100}), 1000.0);
  const Tensor last = ops::contiguous(x, MemoryFormat::ChannelsLast);
  double exact = 0;
  for (double value : x.to_vector()) exact += value;
  EXPECT_NEAR(ops::sum(x).item(), exact, 1e-7 * exact);
  const int threads = omp_get_max_threads();
  std::vector<std::vector<double>> results;
  for (int count : {1, 2, 3}) {
    omp_set_num_threads(count);
    std::vector<double> result = ops::sum(last, {0, 2, 3}).to_vector();
    result.push_back(ops::sum(last).item());
    result.push_back(ops::sum_of_squares(x));
    results.push_back(result);
  }
  omp_set_num_threads(threads);
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

TEST(Reductions, MaxTakesTheFirstOfEquals) {
  const Tensor x = from_values({1, 3, 3, 5, 5, 2}, {2, 3});
  const auto [values, index] = ops::max_with_index(x, 1);
  EXPECT_THAT(values.to_vector(), ElementsAre(3, 5));
  EXPECT_THAT(index.to_vector(), ElementsAre(1, 0));
  EXPECT_EQ(ops::max(x, 0, true).sizes(), Shape({1, 3}));
}

TEST(Reductions, SumToUndoesBroadcasting) {
  const Tensor x = ones({2, 3, 4});
  EXPECT_EQ(ops::sum_to(x, {3, 1}).to_vector(), std::vector<double>(3, 8.0));
  EXPECT_EQ(ops::sum_to(x, {}).item(), 24);
  EXPECT_TRUE(ops::sum_to(x, {2, 3, 4}).is_same(x));
  EXPECT_THROW(ops::sum_to(x, {2, 4}), Error);
}

TEST(Reductions, FiniteOrNot) {
  const Tensor x = full({3, 5, 7}, std::numeric_limits<float>::max());
  EXPECT_TRUE(ops::all_finite(x));
  EXPECT_TRUE(ops::all_finite(zeros({0})));
  for (double bad : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    const Tensor y = ops::clone(x);
    ops::fill_(ops::narrow(ops::narrow(y, 0, 2, 1), 2, 6, 1), bad);
    EXPECT_FALSE(ops::all_finite(ops::transpose(y, 0, 2)));
  }
}

}  // namespace
}  // namespace bevgrad
