// Which way a kernel takes on CUDA, and that every way gives the same.
#include <gtest/gtest.h>

#include <thread>

#include "cuda/conv.h"
#include "cuda/weights.h"
#include "support/conv_problem.h"
#include "support/devices.h"
#include "tensor/determinism.h"
#ifdef BEVGRAD_CUDA_EMULATED
#include "emulation/cublaslt.h"
#include "emulation/cudnn/engines.h"
#endif

namespace bevgrad {
namespace {

const Device kCuda{DeviceKind::CUDA, 0};

class CudaPaths : public ::testing::Test {
 protected:
  void SetUp() override {
    if (cuda_device_count() == 0) GTEST_SKIP() << "SKIPPED: " << cuda_problem();
    cuda::reset_conv_counts();
  }
};

Tensor fused(const ConvRun& run) {
  return run.forward({run.scale, run.shift, run.residual, true});
}

TEST_F(CudaPaths, KeptWeightsAreFoundAndDropped) {
  ConvRun run = make_conv({1, 32, 4, 4, 32, 3, 1, 1}).to(kCuda, DType::BFloat16);
  run.options.keep_weight = true;
  run.forward();
  const size_t kept = cuda::kept_weight_bytes();
  EXPECT_GE(kept, static_cast<size_t>(run.weight.numel() * 2));
  run.forward();
  EXPECT_EQ(cuda::kept_weight_bytes(), kept) << "the second call found the kept copy";
  ops::mul_(run.weight, 2.0);
  run.forward();
  EXPECT_EQ(cuda::kept_weight_bytes(), kept) << "the stale copy was dropped";
}

TEST_F(CudaPaths, ThreadsWorkAtOnce) {
  const ConvRun oracle = make_conv({2, 16, 6, 11, 32, 3, 1, 1}), run = oracle.to(kCuda, DType::Float32);
  std::vector<Tensor> results(3);
  std::vector<std::thread> threads;
  for (Tensor& result : results) threads.emplace_back([&] { result = fused(run); });
  for (std::thread& thread : threads) thread.join();
  for (const Tensor& result : results) EXPECT_LT(largest_error(result, fused(oracle)), tolerance(DType::Float32));
}

#ifdef BEVGRAD_CUDA_EMULATED
// Shapes of the tests below are found nowhere else: a plan once found is kept.

namespace engines = emulation::cudnn;

TEST_F(CudaPaths, OneGraphWhereCudnnHasIt) {
  for (const int64_t channels : {16, 33})  // engines compiled at run time; ready-made ones
    for (const DType dtype : {DType::Float32, DType::BFloat16}) {
      cuda::reset_conv_counts();
      fused(make_conv({1, channels, 5, 21, 24, 3, 1, 1}).to(kCuda, dtype));
      EXPECT_EQ(cuda::conv_counts().fused, 1) << channels << " " << name(dtype);
    }
}

TEST_F(CudaPaths, ApartWhereCudnnHasNoFusion) {
  emulation::set_cudnn_support(emulation::CudnnSupport::unfused);
  for (const DType dtype : {DType::Float32, DType::BFloat16}) {
    const ConvRun oracle = make_conv({2, 16, 5, 22, 24, 3, 1, 1}), run = oracle.to(kCuda, dtype);
    EXPECT_LT(largest_error(fused(run), fused(oracle)), tolerance(dtype));
    EXPECT_LT(largest_error(run.forward({.relu = true}), oracle.forward({.relu = true})), tolerance(dtype));
  }
  emulation::set_cudnn_support(emulation::CudnnSupport::all);
  EXPECT_EQ(cuda::conv_counts().apart, 4);
  EXPECT_EQ(cuda::conv_counts().fused, 0);
}

TEST_F(CudaPaths, DirectWhereCudnnHasNothing) {
  emulation::set_cudnn_support(emulation::CudnnSupport::none);
  for (const DType dtype : {DType::Float32, DType::BFloat16}) {
    const ConvRun oracle = make_conv({2, 16, 5, 23, 24, 3, 2, 1}), run = oracle.to(kCuda, dtype);
    EXPECT_LT(largest_error(fused(run), fused(oracle)), tolerance(dtype));
    EXPECT_LT(largest_error(run.backward_input(), oracle.backward_input()), tolerance(dtype));
    EXPECT_LT(largest_error(run.backward_weight(), oracle.backward_weight()), tolerance(dtype));
  }
  emulation::set_cudnn_support(emulation::CudnnSupport::all);
  EXPECT_EQ(cuda::conv_counts().direct, 6);
}

TEST_F(CudaPaths, ForbiddenEnginesNeverRun) {
  const auto forbidden = [] {
    synchronize(kCuda);
    return emulation::cudnn_runs(engines::kNondeterministic) + emulation::cudnn_runs(engines::kHuge) +
           emulation::cudnn_runs(engines::kElsewhere) + emulation::cudnn_runs(engines::kDownConvert);
  };
  const int64_t before = forbidden();
  for (const DType dtype : {DType::Float32, DType::BFloat16}) {
    const ConvRun run = make_conv({2, 16, 5, 24, 24, 3, 1, 1}).to(kCuda, dtype);
    fused(run);
    run.forward();
    run.backward_input();
    run.backward_weight();
  }
  EXPECT_EQ(forbidden(), before);
}

TEST_F(CudaPaths, SwitchesChooseOtherEngines) {
  const auto runs = [](int engine) {
    synchronize(kCuda);
    return emulation::cudnn_runs(engine);
  };
  const ConvRun oracle = make_conv({2, 16, 5, 25, 24, 3, 1, 1}), run = oracle.to(kCuda, DType::Float32);
  EXPECT_LT(largest_error(run.forward(), oracle.forward()), tolerance(DType::Float32));

  set_deterministic(false);
  const int64_t loose = runs(engines::kNondeterministic);
  run.forward();
  EXPECT_EQ(runs(engines::kNondeterministic), loose + 1);
  set_deterministic(true);

  set_allow_tf32(true);
  const int64_t tensor_core = runs(engines::kTensorCore);
  EXPECT_LT(largest_error(run.forward(), oracle.forward()), 2e-3);
  EXPECT_EQ(runs(engines::kTensorCore), tensor_core + 1);
  set_allow_tf32(false);
  EXPECT_LT(largest_error(run.forward(), oracle.forward()), tolerance(DType::Float32));
  EXPECT_EQ(runs(engines::kTensorCore), tensor_core + 1);
}

TEST_F(CudaPaths, MatmulWithoutEpilogueAndWithoutLibrary) {
  using emulation::CublasltSupport;
  Generator generator(3);
  int64_t rows = 11;  // one for every mode
  for (const CublasltSupport mode : {CublasltSupport::all, CublasltSupport::unfused, CublasltSupport::none}) {
    emulation::set_cublaslt_support(mode);
    const Tensor a = exact(generator, {++rows, 70}), b = exact(generator, {9, 70}), shift = exact(generator, {9});
    for (const DType dtype : {DType::Float32, DType::BFloat16, DType::Float64}) {
      const auto product = [&](Device device) {
        const Tensor c = empty({rows, 9}, {dtype, {}, device});
        backend(device).matmul(c, on(a, device, dtype), on(b, device, dtype), false, true,
                               {on(shift, device, parameters_of(dtype)), true});
        return c;
      };
      EXPECT_LT(largest_error(product(kCuda), product({})), tolerance(dtype)) << static_cast<int>(mode);
    }
  }
  emulation::set_cublaslt_support(CublasltSupport::all);
}
#endif

}  // namespace
}  // namespace bevgrad
