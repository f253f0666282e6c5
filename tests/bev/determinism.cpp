// Values and gradients have the same bits whatever the number of threads, and each time on a GPU.
#include <gtest/gtest.h>
#include <omp.h>

#include <functional>

#include "autograd/functions.h"
#include "bev/bev.h"
#include "support/devices.h"
#include "tensor/random.h"

namespace bevgrad {
namespace {

using Tensors = std::vector<Tensor>;

// The output and the gradients of all inputs, as numbers.
std::vector<double> run(const std::function<Tensor(const Tensors&)>& function, const std::vector<Shape>& sizes,
                        Device device = {}) {
  Generator generator(11);
  Tensors inputs;
  for (const Shape& size : sizes) {
    inputs.push_back(ops::to(ops::contiguous(generator.uniform(size, -1, 1), MemoryFormat::ChannelsLast), device));
    set_requires_grad(inputs.back(), true);
  }
  const Tensor y = function(inputs);
  std::vector<double> numbers = y.to_vector();
  backward(y, ops::to(generator.uniform(y.sizes(), -1, 1), device));
  for (const Tensor& x : inputs)
    for (double value : grad(x).to_vector()) numbers.push_back(value);
  return numbers;
}

void expect_same_bits(const std::function<Tensor(const Tensors&)>& function, const std::vector<Shape>& sizes) {
  const int threads = omp_get_max_threads();
  omp_set_num_threads(1);
  const auto expected = run(function, sizes);
  for (int count : {2, 3}) {
    omp_set_num_threads(count);
    EXPECT_EQ(run(function, sizes), expected) << count << " threads";
  }
  omp_set_num_threads(threads);
  for (const Device device : test_devices()) EXPECT_EQ(run(function, sizes, device), run(function, sizes, device));
}

TEST(Determinism, BevSample) {
  // Every pixel is seen from many points.
  BevSamplingTable table{2, 20, 30, {{2, 6, 7}}, {0}, {}};
  Generator generator(4);
  for (int point = 0; point < 1200; ++point) {
    for (int32_t camera = 0; camera < 2; ++camera)
      table.looks.push_back({0, camera, static_cast<float>(generator.next_uniform() * 7),
                             static_cast<float>(generator.next_uniform() * 6)});
    table.offsets.push_back(static_cast<int64_t>(table.looks.size()));
  }
  const auto sampling = std::make_shared<const BevSampling>(table);
  expect_same_bits([&](const Tensors& x) { return bev_sample(x, {sampling, sampling}); }, {{4, 48, 6, 7}});
}

TEST(Determinism, Warp) {
  const Tensor matrices = from_values({0.5, -0.1, 1, 0.1, 0.5, 0.3, 1, 0, 0, 0, 1, 0}, {2, 2, 3}, {DType::Float64});
  expect_same_bits(
      [&](const Tensors& x) {
        return warp_bev(x[0], matrices, {-4, -3, 4, 3}, Interpolation::Bilinear);
      },
      {{2, 40, 30, 40}});
}

TEST(Determinism, BroadcastSoftmaxAndSums) {
  expect_same_bits(
      [](const Tensors& x) {
        const Tensor weights = softmax(mul(x[1], x[2]), 1);
        return weighted_sum({x[0], relu(x[0]), sigmoid(x[0])}, weights);
      },
      {{2, 33, 40, 50}, {2, 3, 40, 50}, {3, 1, 1}});
}

TEST(Determinism, Cells) {
  Tensor cells = empty({3000}, {DType::Int64});
  Generator generator(5);
  for (int64_t i = 0; i < cells.numel(); ++i) cells.data<int64_t>()[i] = static_cast<int64_t>(generator.next_below(90));
  expect_same_bits([&](const Tensors& x) { return gather_cells(x[0], cells); }, {{1, 24, 9, 10}});
}

// A large result is written past the caches.
TEST(Determinism, ManySamplesAreAsEachAlone) {
  Generator generator(6);
  for (const DType dtype : {DType::Float32, DType::BFloat16}) {
    const Tensor x = ops::to(generator.normal({4, 64, 40, 80}), dtype);
    const Tensor all = interpolate_bilinear(x, 200, 220);
    ASSERT_GT(all.nbytes(), 16 << 20);
    for (int64_t n = 0; n < x.size(0); ++n) {
      EXPECT_EQ(ops::narrow(all, 0, n, 1).to_vector(),
                interpolate_bilinear(ops::narrow(x, 0, n, 1), 200, 220).to_vector())
          << name(dtype) << " " << n;
    }
  }
}

}  // namespace
}  // namespace bevgrad
