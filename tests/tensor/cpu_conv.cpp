// What only the CPU's convolutions have: threads, and the bytes of its kept weights.
#include <gtest/gtest.h>
#include <omp.h>

#include <cstring>

#include "cpu/backend.h"
#include "cpu/weight_cache.h"
#include "support/conv_problem.h"
#include "tensor/ops.h"
#include "tensor/random.h"

namespace bevgrad {
namespace {

TEST(CpuConvThreads, AnyCountAgrees) {
  const ConvRun oracle = make_conv({2, 32, 12, 20, 32, 3, 1, 1}), run = oracle.to({}, DType::Float32);
  const int threads = omp_get_max_threads();
  for (int count : {1, 2, 3}) {
    omp_set_num_threads(count);
    EXPECT_LT(largest_error(run.forward({run.scale, run.shift, run.residual, true}),
                            oracle.forward({oracle.scale, oracle.shift, oracle.residual, true})),
              2e-6);
    EXPECT_LT(largest_error(run.backward_weight(), oracle.backward_weight()), 1e-5);
  }
  omp_set_num_threads(threads);
}

struct Sizes {
  int64_t channels, height, width, outputs, kernel;
  int stride, padding;
};

// Around what decides the algorithm: 3x3 kernels on maps of fewer and more than 96 and 256 pixels, with 32 channels and
// fewer, weights that are kept and those that are too large for it, and the shapes that other kernels take.
const Sizes kSizes[] = {{8, 16, 24, 8, 3, 1, 1},     {32, 8, 10, 32, 3, 1, 1},  {32, 8, 14, 32, 3, 1, 1},
                        {64, 7, 13, 64, 3, 1, 1},    {64, 15, 17, 48, 3, 1, 1}, {64, 16, 16, 64, 3, 1, 1},
                        {40, 20, 27, 72, 3, 1, 1},   {32, 33, 31, 32, 3, 1, 1}, {512, 4, 6, 512, 3, 1, 1},
                        {512, 16, 17, 512, 3, 1, 1}, {3, 64, 96, 16, 7, 2, 3},  {16, 28, 52, 32, 3, 2, 1},
                        {64, 13, 9, 128, 1, 2, 0},   {9, 13, 9, 20, 1, 2, 0},   {64, 9, 13, 96, 1, 1, 0}};

TEST(CpuConv, AnImageHasTheSameBitsInAnyBatchAndOnAnyNumberOfThreads) {
  constexpr int64_t kImages = 4;
  const int threads = omp_get_max_threads();
  Generator generator(5);
  for (const DType dtype : {DType::Float32, DType::BFloat16})
    for (const Sizes& s : kSizes) {
      const auto image = [&](const Shape& sizes) {
        return ops::contiguous(ops::to(generator.uniform(sizes, -1, 1), dtype), MemoryFormat::ChannelsLast);
      };
      const Tensor x = image({kImages, s.channels, s.height, s.width});
      const Tensor weight = generator.uniform({s.outputs, s.channels, s.kernel, s.kernel}, -1, 1);
      const int64_t out_height = (s.height + 2 * s.padding - s.kernel) / s.stride + 1;
      const int64_t out_width = (s.width + 2 * s.padding - s.kernel) / s.stride + 1;
      const Tensor dy = image({kImages, s.outputs, out_height, out_width});
      const TensorOptions layout = {dtype, MemoryFormat::ChannelsLast};
      Tensor first_y, first_dx;
      for (const int count : {2, 1})
        for (const int64_t batch : {1, 2, 4}) {
          omp_set_num_threads(count);
          const Tensor y = empty(dy.sizes(), layout), dx = empty(x.sizes(), layout);
          for (int64_t n = 0; n < kImages; n += batch) {
            const auto part = [&](const Tensor& tensor) { return ops::narrow(tensor, 0, n, batch); };
            cpu::conv2d_forward(part(y), part(x), weight, {.residual = part(dy), .relu = true},
                                {s.stride, s.padding, true});
            cpu::conv2d_backward_input(part(dx), part(dy), weight, {s.stride, s.padding, false});
          }
          if (!first_y.defined()) first_y = y, first_dx = dx;
          EXPECT_EQ(std::memcmp(y.raw_data(), first_y.raw_data(), y.nbytes()), 0)
              << s.channels << " to " << s.outputs << " channels, " << s.height << " x " << s.width << ", batch "
              << batch << ", " << count << " threads";
          EXPECT_EQ(std::memcmp(dx.raw_data(), first_dx.raw_data(), dx.nbytes()), 0)
              << "gradient, " << s.channels << " to " << s.outputs << " channels, " << s.height << " x " << s.width
              << ", batch " << batch << ", " << count << " threads";
        }
    }
  omp_set_num_threads(threads);
}

TEST(CpuKeptWeights, StaleCopiesAreDropped) {
  ConvRun run = make_conv({1, 32, 4, 4, 32, 3, 1, 1}).to({}, DType::BFloat16);
  run.options.keep_weight = true;
  run.forward();
  const size_t kept = cpu::kept_weight_bytes();
  EXPECT_GE(kept, static_cast<size_t>(run.weight.numel() * 2));
  run.forward();
  EXPECT_EQ(cpu::kept_weight_bytes(), kept) << "the second call found the kept copy";
  ops::mul_(run.weight, 2.0);
  run.forward();
  EXPECT_EQ(cpu::kept_weight_bytes(), kept) << "the stale copy was dropped";
  for (int round = 0; round < 20; ++round) {
    run.weight = full(run.weight.sizes(), round + 1);
    run.forward();
  }
  EXPECT_LT(cpu::kept_weight_bytes(), run.weight.nbytes() * 6);
}

}  // namespace
}  // namespace bevgrad
