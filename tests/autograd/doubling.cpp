// Bilinear enlargement by two, for which a GPU has kernels of its own.
#include <gtest/gtest.h>

#include "autograd/functions/interpolate.h"
#include "support/devices.h"
#include "tensor/ops.h"
#include "tensor/random.h"

namespace bevgrad {
namespace {

std::pair<std::vector<double>, std::vector<double>> both_ways(const Tensor& x, const Tensor& dy, Device device) {
  const Tensor input = ops::clone(ops::to(x, device));
  set_requires_grad(input, true);
  const Tensor y = interpolate_bilinear(input, 2 * x.size(2), 2 * x.size(3));
  backward(y, ops::to(dy, device));
  return {ops::to(detach(y), DType::Float64).to_vector(), ops::to(grad(input), DType::Float64).to_vector()};
}

TEST(Doubling, GpuFollowsCpu) {
  Generator generator(7);
  for (const DType dtype : {DType::Float32, DType::BFloat16, DType::Float64})
    for (const Shape& sizes :
         std::vector<Shape>{{1, 8, 1, 1}, {2, 8, 1, 5}, {1, 16, 4, 1}, {2, 24, 3, 7}, {1, 32, 6, 2}, {2, 5, 3, 4}}) {
      const auto map = [&](const Shape& of) {
        return ops::contiguous(ops::to(generator.uniform(of), dtype), MemoryFormat::ChannelsLast);
      };
      const Tensor x = map(sizes), dy = map({sizes[0], sizes[1], 2 * sizes[2], 2 * sizes[3]});
      const auto [y, dx] = both_ways(x, dy, {});
      const double tolerance = dtype == DType::BFloat16 ? 0.02 : 1e-6;
      for (const Device device : test_devices()) {
        const auto [other_y, other_dx] = both_ways(x, dy, device);
        for (size_t i = 0; i < y.size(); ++i) ASSERT_NEAR(other_y[i], y[i], tolerance) << to_string(sizes);
        for (size_t i = 0; i < dx.size(); ++i) ASSERT_NEAR(other_dx[i], dx[i], 4 * tolerance) << to_string(sizes);
      }
    }
}

}  // namespace
}  // namespace bevgrad
