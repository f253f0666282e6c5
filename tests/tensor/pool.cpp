// Max pooling of every device against a plain search of each window.
#include <gtest/gtest.h>

#include <cmath>

#include "support/devices.h"
#include "support/kernel_problem.h"
#include "tensor/backend.h"

namespace bevgrad {
namespace {

struct PoolCase {
  Shape sizes;
  int kernel, stride, padding;
};

struct Expected {
  std::vector<double> y, index, dx;
};

// Values and gradients in logical order.
Expected search(const PoolCase& p, const std::vector<double>& x, const std::vector<double>& dy, int64_t oh,
                int64_t ow) {
  Expected expected;
  expected.dx.resize(x.size());
  const int64_t h = p.sizes[2], w = p.sizes[3];
  for (int64_t o = 0; o < static_cast<int64_t>(dy.size()); ++o) {
    const int64_t plane = o / (oh * ow), top = o / ow % oh * p.stride - p.padding, left = o % ow * p.stride - p.padding;
    double best = -INFINITY;
    int64_t from = -1, where = 0;
    for (int64_t r = 0; r < p.kernel; ++r)
      for (int64_t q = 0; q < p.kernel; ++q) {
        if (top + r < 0 || top + r >= h || left + q < 0 || left + q >= w) continue;
        const int64_t at = (plane * h + top + r) * w + left + q;
        if (from >= 0 && x[at] <= best) continue;
        best = x[at];
        from = at;
        where = r * p.kernel + q;
      }
    expected.y.push_back(best);
    expected.index.push_back(static_cast<double>(where));
    expected.dx[from] += dy[o];
  }
  return expected;
}

TEST(MaxPool, AgreesWithSearch) {
  const PoolCase cases[] = {{{2, 8, 9, 7}, 3, 2, 1}, {{1, 64, 6, 6}, 2, 2, 0}, {{3, 5, 5, 4}, 3, 1, 1},
                            {{1, 1, 1, 1}, 1, 1, 0}, {{1, 17, 8, 3}, 3, 3, 0}, {{0, 4, 4, 4}, 2, 2, 0}};
  for (const PoolCase& p : cases)
    for (const DType dtype : {DType::Float32, DType::BFloat16, DType::Float64})
      for (const Device device : test_devices()) {
        SCOPED_TRACE(to_string(device) + " " + to_string(p.sizes));
        Generator generator(3);
        const int64_t oh = (p.sizes[2] + 2 * p.padding - p.kernel) / p.stride + 1;
        const int64_t ow = (p.sizes[3] + 2 * p.padding - p.kernel) / p.stride + 1;
        const auto make = [&](const Shape& sizes) {
          // Few different values, so that windows hold several maxima.
          const Tensor few = ops::to(ops::to(generator.uniform(sizes, -4, 4), DType::Int64), DType::Float64);
          return on(ops::contiguous(few, MemoryFormat::ChannelsLast), device, dtype);
        };
        const Shape out{p.sizes[0], p.sizes[1], oh, ow};
        const Tensor x = make(p.sizes), dy = make(out);
        const Tensor y = empty(out, {dtype, MemoryFormat::ChannelsLast, device}), alone = empty_like(y);
        const Tensor index = empty(out, {DType::UInt8, MemoryFormat::ChannelsLast, device});
        const Tensor dx = empty_like(x);
        const ConvOptions options{p.stride, p.padding};
        backend(device).max_pool2d_forward(y, index, x, p.kernel, options);
        backend(device).max_pool2d_forward(alone, {}, x, p.kernel, options);
        backend(device).max_pool2d_backward(dx, dy, index, p.kernel, options);
        const Expected expected = search(p, x.to_vector(), dy.to_vector(), oh, ow);
        EXPECT_EQ(y.to_vector(), expected.y);
        EXPECT_EQ(alone.to_vector(), expected.y);
        EXPECT_EQ(index.to_vector(), expected.index);
        EXPECT_EQ(dx.to_vector(), expected.dx);
      }
}

TEST(MaxPool, NaNWinsAndTakesTheGradient) {
  for (const Device device : test_devices())
    for (const DType dtype : {DType::Float32, DType::BFloat16}) {
      std::vector<double> values(16 * 3, 0.5);
      values[5 * 3 + 1] = NAN;  // channel 5, middle column
      const Tensor x =
          on(ops::contiguous(from_values(values, {1, 16, 1, 3}), MemoryFormat::ChannelsLast), device, dtype);
      const Tensor y = empty({1, 16, 1, 1}, {dtype, MemoryFormat::ChannelsLast, device});
      const Tensor index = empty({1, 16, 1, 1}, {DType::UInt8, MemoryFormat::ChannelsLast, device});
      backend(device).max_pool2d_forward(y, index, x, 3, {3, 1});
      int64_t nans = 0;
      for (double value : y.to_vector()) nans += std::isnan(value);
      EXPECT_EQ(nans, 1) << to_string(device);
      EXPECT_EQ(index.to_vector()[5], 5) << to_string(device);
    }
}

}  // namespace
}  // namespace bevgrad
