// What only the CPU's convolutions have: threads, and the bytes of its kept weights.
#include <gtest/gtest.h>
#include <omp.h>

#include "cpu/weight_cache.h"
#include "support/conv_problem.h"

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
