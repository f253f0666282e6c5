// What only the CPU's normalisation passes have: threads and caches.
#include <gtest/gtest.h>
#include <omp.h>

#include "support/kernel_problem.h"
#include "tensor/backend.h"

namespace bevgrad {
namespace {

TEST(CpuChannelStatistics, ThreadCountDoesNotShow) {
  Generator generator(3);
  const Tensor x = generator.normal({3000, 37}, 5.0, 2.0);
  const auto moments = [&] {
    const Tensor mean = zeros({37}, {DType::Float64}), variance = zeros({37}, {DType::Float64});
    backend({}).channel_statistics(mean, variance, x);
    return ops::cat({mean, variance}, 0);
  };
  const int threads = omp_get_max_threads();
  omp_set_num_threads(1);
  const Tensor one = moments();
  for (int count : {2, 3, 7}) {
    omp_set_num_threads(count);
    EXPECT_TRUE(same_bits(one, moments())) << count << " threads";
  }
  omp_set_num_threads(threads);
}

// Results that are larger than the caches are written past them, unless they are written over an input.
TEST(CpuChannels, LargeResultsAreTheSameInPlace) {
  Generator generator(4);
  const Tensor values = generator.uniform({1, 64, 300, 512}, -1, 1),
               gradients = generator.uniform({1, 64, 300, 512}, -1, 1);
  const Tensor scale = generator.normal({64}), shift = generator.normal({64});
  for (const DType dtype : {DType::Float32, DType::BFloat16}) {
    const Tensor x = ops::contiguous(ops::to(values, dtype), MemoryFormat::ChannelsLast);
    const Tensor dy = ops::contiguous(ops::to(gradients, dtype), MemoryFormat::ChannelsLast);
    ASSERT_GT(x.nbytes(), 16 << 20);
    const Tensor y = empty_like(x), in_place = ops::clone(x), dx = empty_like(dy), dx_in_place = ops::clone(dy);
    backend({}).channel_affine(y, x, scale, shift, {}, true);
    backend({}).channel_affine(in_place, in_place, scale, shift, {}, true);
    EXPECT_TRUE(same_bits(y, in_place)) << name(dtype);
    const ReluMask mask{{}, scale, shift};
    backend({}).channel_affine_backward(dx, dy, mask, x, {scale, shift, scale});
    backend({}).channel_affine_backward(dx_in_place, dx_in_place, mask, x, {scale, shift, scale});
    EXPECT_TRUE(same_bits(dx, dx_in_place)) << name(dtype);
  }
}

}  // namespace
}  // namespace bevgrad
