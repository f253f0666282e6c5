// Normalisation's passes of every device against plain arithmetic on the same values.
#include <gtest/gtest.h>

#include <cmath>

#include "support/devices.h"
#include "support/kernel_problem.h"
#include "tensor/backend.h"

namespace bevgrad {
namespace {

using Values = std::vector<double>;

struct ChannelRun {
  Tensor x, y, dy, residual, scale, shift, mean;

  ChannelRun to(Device device, DType dtype) const {
    const DType parameters = parameters_of(dtype);
    return {on(x, device, dtype),
            on(y, device, dtype),
            on(dy, device, dtype),
            on(residual, device, dtype),
            on(scale, device, parameters),
            on(shift, device, parameters),
            on(mean, device, DType::Float64)};
  }
  const Backend& table() const { return backend(x.device()); }
  int64_t channels() const { return x.size(1); }
  Tensor sums() const { return zeros({channels()}, {DType::Float64, {}, x.device()}); }
};

ChannelRun make(const Shape& sizes) {
  Generator generator(6);
  const auto rows = [&] {
    const Tensor x = exact(generator, sizes);
    return sizes.size() == 4 ? ops::contiguous(x, MemoryFormat::ChannelsLast) : x;
  };
  const int64_t channels = sizes[1];
  return {rows(),
          rows(),
          rows(),
          rows(),
          exact(generator, {channels}),
          exact(generator, {channels}),
          exact(generator, {channels})};
}

/// Calls visit(logical index, channel) for all elements.
template <class Visit>
void for_each(const Tensor& x, const Visit& visit) {
  int64_t inner = 1;
  for (int d = 2; d < x.dim(); ++d) inner *= x.size(d);
  for (int64_t i = 0; i < x.numel(); ++i) visit(static_cast<size_t>(i), static_cast<size_t>(i / inner % x.size(1)));
}

class Channels : public ::testing::TestWithParam<std::tuple<Shape, DType>> {
 protected:
  Shape sizes() const { return std::get<0>(GetParam()); }
  DType dtype() const { return std::get<1>(GetParam()); }
  template <class Body>
  void on_every_device(const Body& body) const {
    for (const Device device : test_devices()) {
      SCOPED_TRACE(to_string(device) + " " + to_string(sizes()));
      body(make(sizes()).to(device, dtype()));
    }
  }
  void expect_near(const Tensor& actual, const Values& expected, double rounding) const {
    const Values a = actual.to_vector();
    ASSERT_EQ(a.size(), expected.size());
    double largest = 1;
    for (double value : expected) largest = std::max(largest, std::abs(value));
    for (size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], expected[i], rounding * largest) << i;
  }
};

TEST_P(Channels, Affine) {
  on_every_device([&](const ChannelRun& run) {
    const Values x = run.x.to_vector(), add = run.residual.to_vector(), a = run.scale.to_vector(),
                 b = run.shift.to_vector();
    for (int what = 0; what < 4; ++what) {
      Values expected(x.size());
      for_each(run.x, [&](size_t i, size_t c) {
        expected[i] = x[i] * a[c] + b[c] + (what & 1 ? add[i] : 0.0);
        if (what & 2) expected[i] = std::max(0.0, expected[i]);
      });
      const Tensor y = empty_like(run.x);
      run.table().channel_affine(y, run.x, run.scale, run.shift, what & 1 ? run.residual : Tensor(), what & 2);
      expect_near(y, expected, tolerance(dtype()));
    }
    const Tensor in_place = ops::clone(run.x), y = empty_like(run.x);
    run.table().channel_affine(y, run.x, run.scale, run.shift, {}, true);
    run.table().channel_affine(in_place, in_place, run.scale, run.shift, {}, true);
    EXPECT_TRUE(same_bits(in_place, y));
  });
}

TEST_P(Channels, Statistics) {
  on_every_device([&](const ChannelRun& run) {
    if (run.x.numel() == 0) return;
    const Values x = run.x.to_vector();
    const size_t channels = static_cast<size_t>(run.channels());
    Values mean(channels), variance(channels);
    const double rows = static_cast<double>(x.size() / channels);
    for_each(run.x, [&](size_t i, size_t c) { mean[c] += x[i] / rows; });
    for_each(run.x, [&](size_t i, size_t c) { variance[c] += (x[i] - mean[c]) * (x[i] - mean[c]) / rows; });
    const Tensor m = run.sums(), v = run.sums();
    run.table().channel_statistics(m, v, run.x);
    expect_near(m, mean, 1e-12);
    expect_near(v, variance, 1e-12);
  });
}

TEST_P(Channels, Gradients) {
  on_every_device([&](const ChannelRun& run) {
    const Values x = run.x.to_vector(), y = run.y.to_vector(), dy = run.dy.to_vector(), mean = run.mean.to_vector(),
                 a = run.scale.to_vector(), b = run.shift.to_vector();
    const size_t channels = static_cast<size_t>(run.channels());
    for (int what = 0; what < 8; ++what) {
      const bool masked = what & 1, with_input = what & 2, mask_of_input = what & 4;
      if (mask_of_input && !masked) continue;
      Values dz(dy.size()), sum(channels), product(channels), dx(dy.size());
      for_each(run.x, [&](size_t i, size_t c) {
        dz[i] = masked && !((mask_of_input ? x[i] * a[c] + b[c] : y[i]) > 0) ? 0 : dy[i];
        sum[c] += dz[i];
        product[c] += dz[i] * (x[i] - mean[c]);
        dx[i] = a[c] * dz[i] + (with_input ? b[c] * x[i] + a[c] : 0);
      });
      const Tensor none, input = with_input || mask_of_input ? run.x : none;
      ReluMask mask;
      if (masked) mask = mask_of_input ? ReluMask{{}, run.scale, run.shift} : ReluMask{run.y, {}, {}};
      const Tensor written = empty_like(run.dy), first = run.sums(), second = run.sums();
      run.table().channel_sums(first, with_input ? second : none, masked ? written : none, run.dy, mask, input,
                               with_input ? run.mean : none);
      expect_near(first, sum, 1e-12);
      if (with_input) expect_near(second, product, 1e-12);
      if (masked) expect_near(written, dz, 0);
      const Tensor result = empty_like(run.dy);
      ChannelGradient gradient{run.scale, {}, {}};
      if (with_input) gradient = {run.scale, run.shift, run.scale};
      run.table().channel_affine_backward(result, run.dy, mask, input, gradient);
      expect_near(result, dx, tolerance(dtype()));
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Shapes, Channels,
                         ::testing::Combine(::testing::Values(Shape{5, 1}, Shape{5, 3}, Shape{7, 15}, Shape{3, 16},
                                                              Shape{4, 17}, Shape{2, 40}, Shape{2, 8, 3, 5},
                                                              Shape{1, 64, 7, 2}, Shape{3, 5, 1, 1}, Shape{0, 8},
                                                              Shape{9001, 6}),
                                            ::testing::Values(DType::Float32, DType::BFloat16, DType::Float64)));

TEST(ChannelStatistics, SumsOfManyChunks) {
  // More rows than one level of partial sums holds, at a mean that hides the variance from float32.
  Generator generator(4);
  const Tensor values = generator.normal({60000, 3}, 3000.0, 1.0);
  for (const Device device : test_devices()) {
    const Tensor x = ops::to(values, device);
    const TensorOptions wide{DType::Float64, {}, device};
    const Tensor mean = zeros({3}, wide), variance = zeros({3}, wide), again = zeros({3}, wide);
    backend(device).channel_statistics(mean, variance, x);
    for (double v : variance.to_vector()) EXPECT_NEAR(v, 1.0, 0.03) << to_string(device);
    for (double m : mean.to_vector()) EXPECT_NEAR(m, 3000.0, 0.03) << to_string(device);
    backend(device).channel_statistics(mean, again, x);
    EXPECT_TRUE(same_bits(variance, again)) << to_string(device);
  }
}

}  // namespace
}  // namespace bevgrad
