// What only the CPU's normalisation passes have: threads.
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
    backend({}).channel_statistics(mean, variance, x, 1);
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

}  // namespace
}  // namespace bevgrad
