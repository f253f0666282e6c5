// Normalisation's passes: thread count, tails of channels, precision.
#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <cstring>

#include "tensor/backend.h"
#include "tensor/ops.h"
#include "tensor/random.h"

namespace bevgrad {
namespace {

struct Moments {
  Tensor mean, variance;
};

Moments moments(const Tensor& x, int64_t last_row_count = 1) {
  const TensorOptions wide{DType::Float64};
  Moments m{zeros({x.size(1)}, wide), zeros({x.size(1)}, wide)};
  backend({}).channel_statistics(m.mean, m.variance, x, last_row_count);
  return m;
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.nbytes() == b.nbytes() && std::memcmp(a.raw_data(), b.raw_data(), a.nbytes()) == 0;
}

TEST(ChannelStatistics, ThreadCountDoesNotShow) {
  Generator generator(3);
  const Tensor x = generator.normal({3000, 37}, 5.0, 2.0);
  const int threads = omp_get_max_threads();
  omp_set_num_threads(1);
  const Moments one = moments(x);
  for (int count : {2, 3, 7}) {
    omp_set_num_threads(count);
    const Moments many = moments(x);
    EXPECT_TRUE(same_bits(one.mean, many.mean) && same_bits(one.variance, many.variance)) << count << " threads";
  }
  omp_set_num_threads(threads);
}

TEST(ChannelStatistics, LargeMeanKeepsVariance) {
  Generator generator(4);
  const Tensor x = generator.normal({20000, 3}, 3000.0, 1.0);
  const Moments m = moments(x);
  for (double variance : m.variance.to_vector()) EXPECT_NEAR(variance, 1.0, 0.05);
}

TEST(ChannelStatistics, LastRowStandsForMany) {
  Generator generator(5);
  const Tensor x = generator.normal({6, 19});
  std::vector<Tensor> rows{x};
  for (int i = 0; i < 10; ++i) rows.push_back(ops::narrow(x, 0, 5, 1));
  const Moments stored = moments(ops::contiguous(ops::cat(rows, 0))), counted = moments(x, 11);
  const auto a = stored.variance.to_vector(), b = counted.variance.to_vector();
  for (size_t c = 0; c < a.size(); ++c) EXPECT_NEAR(a[c], b[c], 1e-12);
}

TEST(ChannelAffine, EveryChannelCountAndDtype) {
  Generator generator(6);
  for (const DType dtype : {DType::Float32, DType::BFloat16, DType::Float64})
    for (const int64_t channels : {1, 3, 15, 16, 17, 40}) {
      const DType parameters = dtype == DType::Float64 ? DType::Float64 : DType::Float32;
      const Tensor x = ops::to(generator.uniform({5, channels}, -1, 1), dtype),
                   residual = ops::to(generator.uniform({5, channels}, -1, 1), dtype);
      const Tensor scale = generator.uniform({channels}, -1, 1, {parameters}),
                   shift = generator.uniform({channels}, -1, 1, {parameters});
      const Tensor y = empty_like(x);
      backend({}).channel_affine(y, x, scale, shift, residual, true);
      const auto in = x.to_vector(), add = residual.to_vector(), a = scale.to_vector(), b = shift.to_vector(),
                 out = y.to_vector();
      for (size_t i = 0; i < in.size(); ++i) {
        const double expected = std::max(0.0, in[i] * a[i % channels] + b[i % channels] + add[i]);
        EXPECT_NEAR(out[i], expected, dtype == DType::BFloat16 ? 0.01 : 1e-6);
      }
    }
}

TEST(MaxPool, NaNWinsAndTakesTheGradient) {
  for (const DType dtype : {DType::Float32, DType::BFloat16}) {
    std::vector<double> values(16 * 3, 0.5);
    values[5 * 3 + 1] = NAN;  // channel 5, middle column
    const Tensor x = ops::to(from_values(values, {1, 16, 1, 3}), dtype);
    const Tensor in = ops::contiguous(x, MemoryFormat::ChannelsLast);
    const Tensor y = empty({1, 16, 1, 1}, {dtype, MemoryFormat::ChannelsLast});
    const Tensor index = empty({1, 16, 1, 1}, {DType::UInt8, MemoryFormat::ChannelsLast});
    backend({}).max_pool2d_forward(y, index, in, 3, {3, 1});
    int64_t nans = 0;
    for (double value : y.to_vector()) nans += std::isnan(value);
    EXPECT_EQ(nans, 1);
  }
}

}  // namespace
}  // namespace bevgrad
