// Winograd's convolution against the plain loops in float64, over everything that decides how tiles, channels and
// blocks end.
#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <cstring>

#include "cpu/backend.h"
#include "cpu/weight_cache.h"
#include "cpu/winograd.h"
#include "cpu/winograd_weight_gradient.h"
#include "tensor/ops.h"
#include "tensor/random.h"

namespace bevgrad {
namespace {

struct Problem {
  Tensor x, weight, scale, shift, residual;
  ConvOptions options;
};

// In float64; bfloat16 holds every value of the activations exactly, so that only the arithmetic is compared.
Problem make(int64_t n, int64_t c, int64_t h, int64_t w, int64_t k, int padding = 1) {
  Generator generator(7);
  const auto random = [&](const Shape& sizes, double low = -1, double high = 1) {
    return ops::to(ops::to(generator.uniform(sizes, low, high), DType::BFloat16), DType::Float64);
  };
  const auto image = [&](const Shape& sizes) { return ops::contiguous(random(sizes), MemoryFormat::ChannelsLast); };
  return {image({n, c, h, w}),
          random({k, c, 3, 3}),
          random({k}, 0.5, 1.5),
          random({k}),
          image({n, k, h + 2 * padding - 2, w + 2 * padding - 2}),
          {1, padding, true}};
}

Problem converted(const Problem& p, DType activations) {
  return {ops::to(p.x, activations),        ops::to(p.weight, DType::Float32), ops::to(p.scale, DType::Float32),
          ops::to(p.shift, DType::Float32), ops::to(p.residual, activations),  p.options};
}

using Convolution = void (*)(const Tensor&, const Tensor&, const Tensor&, const ConvEpilogue&, ConvOptions);

using Gradient = void (*)(const Tensor&, const Tensor&, const Tensor&, ConvOptions);

Tensor run(Convolution convolution, const Problem& p, const ConvEpilogue& epilogue = {}) {
  const Tensor y = empty(p.residual.sizes(), {p.x.dtype(), MemoryFormat::ChannelsLast});
  convolution(y, p.x, p.weight, epilogue, p.options);
  return y;
}

// Every combination of what may follow the convolution.
ConvEpilogue epilogue(const Problem& p, int which) {
  return {which & 1 ? p.scale : Tensor(), which & 2 ? p.shift : Tensor(), which & 4 ? p.residual : Tensor(),
          (which & 8) != 0};
}

// Largest difference as a share of the largest value.
double error(const Tensor& actual, const Tensor& expected) {
  const auto a = actual.to_vector(), e = expected.to_vector();
  double largest = 1e-30, difference = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::abs(e[i]));
    difference = std::max(difference, std::isfinite(a[i]) ? std::abs(a[i] - e[i]) : INFINITY);
  }
  return difference / largest;
}

constexpr double kRounding = 5e-6, kRoundingBFloat16 = 8e-3;

TEST(Winograd, EverySizeOfAnImage) {
  for (int64_t h = 1; h <= 10; ++h)
    for (int64_t w : {1, 2, 3, 4, 5, 8, 11}) {
      const Problem oracle = make(1 + h % 3, 16, h, w, 16);
      const Tensor y = run(cpu::conv2d_forward_by_winograd, converted(oracle, DType::Float32));
      EXPECT_LT(error(y, run(cpu::conv2d_forward, oracle)), kRounding) << h << " x " << w;
    }
}

TEST(Winograd, EveryNumberOfChannelsAroundARegister) {
  for (int64_t c : {1, 7, 8, 9, 15, 16, 17, 31, 40})
    for (int64_t k : {1, 5, 8, 13, 16, 24, 33}) {
      const Problem oracle = make(2, c, 6, 5, k);
      for (DType dtype : {DType::Float32, DType::BFloat16}) {
        const Problem p = converted(oracle, dtype);
        EXPECT_LT(error(run(cpu::conv2d_forward_by_winograd, p, epilogue(p, 15)),
                        run(cpu::conv2d_forward, oracle, epilogue(oracle, 15))),
                  dtype == DType::Float32 ? kRounding : kRoundingBFloat16)
            << c << " to " << k;
      }
    }
}

TEST(Winograd, EveryEpilogue) {
  const Problem oracle = make(2, 20, 7, 9, 36), single = converted(oracle, DType::Float32),
                half = converted(oracle, DType::BFloat16);
  for (int which = 0; which < 16; ++which) {
    const Tensor expected = run(cpu::conv2d_forward, oracle, epilogue(oracle, which));
    EXPECT_LT(error(run(cpu::conv2d_forward_by_winograd, single, epilogue(single, which)), expected), kRounding);
    EXPECT_LT(error(run(cpu::conv2d_forward_by_winograd, half, epilogue(half, which)), expected), kRoundingBFloat16);
  }
}

TEST(Winograd, EveryPadding) {
  for (int padding : {0, 1, 2}) {
    const Problem oracle = make(1, 16, 7, 6, 16, padding);
    EXPECT_LT(error(run(cpu::conv2d_forward_by_winograd, converted(oracle, DType::Float32)),
                    run(cpu::conv2d_forward, oracle)),
              kRounding);
  }
}

// Gradients, with the residual of the problem as the gradient of its output.
Tensor input_gradient(Gradient gradient, const Problem& p) {
  const Tensor dx = empty(p.x.sizes(), {p.x.dtype(), MemoryFormat::ChannelsLast});
  gradient(dx, p.residual, p.weight, p.options);
  return dx;
}

Tensor weight_gradient(Gradient gradient, const Problem& p) {
  const Tensor dweight = empty(p.weight.sizes(), {p.weight.dtype()});
  gradient(dweight, p.x, p.residual, p.options);
  return dweight;
}

TEST(Winograd, InputGradient) {
  for (int padding : {0, 1, 2})
    for (const Problem& oracle : {make(2, 20, 7, 6, 36, padding), make(1, 32, 9, 13, 16, padding)})
      for (DType dtype : {DType::Float32, DType::BFloat16})
        EXPECT_LT(error(input_gradient(cpu::conv2d_backward_input_by_winograd, converted(oracle, dtype)),
                        input_gradient(cpu::conv2d_backward_input, oracle)),
                  dtype == DType::Float32 ? kRounding : kRoundingBFloat16)
            << "padding " << padding;
}

TEST(Winograd, WeightGradientOfEverySizeOfAnImage) {
  for (int64_t h = 1; h <= 10; ++h)
    for (int64_t w : {1, 2, 3, 4, 5, 8, 11}) {
      const Problem oracle = make(1 + h % 3, 16, h, w, 16);
      EXPECT_LT(error(weight_gradient(cpu::conv2d_backward_weight_by_winograd, converted(oracle, DType::Float32)),
                      weight_gradient(cpu::conv2d_backward_weight, oracle)),
                kRounding)
          << h << " x " << w;
    }
}

TEST(Winograd, WeightGradientOfEveryNumberOfChannelsAroundARegister) {
  for (int64_t c : {1, 7, 8, 9, 15, 16, 17, 31, 40})
    for (int64_t k : {1, 5, 8, 13, 16, 24, 33})
      for (int padding : {0, 1, 2}) {
        const Problem oracle = make(2, c, 6, 5, k, padding);
        const Tensor expected = weight_gradient(cpu::conv2d_backward_weight, oracle);
        for (DType dtype : {DType::Float32, DType::BFloat16})
          EXPECT_LT(error(weight_gradient(cpu::conv2d_backward_weight_by_winograd, converted(oracle, dtype)), expected),
                    kRounding)
              << c << " to " << k << ", padding " << padding;
      }
}

// Many blocks, of which some are smaller; what is wide in channels sums up no more error than what is narrow.
TEST(Winograd, LargeOnes) {
  for (const Problem& oracle : {make(3, 32, 49, 83, 32), make(1, 512, 9, 14, 48)}) {
    const Problem p = converted(oracle, DType::Float32);
    EXPECT_LT(error(run(cpu::conv2d_forward_by_winograd, p, epilogue(p, 15)),
                    run(cpu::conv2d_forward, oracle, epilogue(oracle, 15))),
              kRounding);
    EXPECT_LT(error(weight_gradient(cpu::conv2d_backward_weight_by_winograd, p),
                    weight_gradient(cpu::conv2d_backward_weight, oracle)),
              kRounding);
  }
}

TEST(Winograd, SameBitsOnAnyNumberOfThreads) {
  const Problem p = converted(make(2, 48, 37, 61, 40), DType::Float32);
  const int threads = omp_get_max_threads();
  Tensor first, first_gradient;
  for (int count : {1, 2, 3, 7, 1}) {
    omp_set_num_threads(count);
    const Tensor y = run(cpu::conv2d_forward_by_winograd, p, epilogue(p, 15));
    const Tensor dweight = weight_gradient(cpu::conv2d_backward_weight_by_winograd, p);
    if (!first.defined()) first = y, first_gradient = dweight;
    EXPECT_EQ(0, std::memcmp(y.raw_data(), first.raw_data(), y.nbytes())) << count << " threads";
    EXPECT_EQ(0, std::memcmp(dweight.raw_data(), first_gradient.raw_data(), dweight.nbytes())) << count << " threads";
  }
  omp_set_num_threads(threads);
}

// Two blocks, one of which is not full: each number of rows may have a weight layout of its own.
TEST(Winograd, BlocksThatAreNotFull) {
  const int threads = omp_get_max_threads();
  omp_set_num_threads(1);
  for (int64_t tiles : {65, 97, 115, 127}) {
    const Problem oracle = make(1, 128, 4, 4 * tiles, 128);
    EXPECT_LT(error(run(cpu::conv2d_forward_by_winograd, converted(oracle, DType::Float32)),
                    run(cpu::conv2d_forward, oracle)),
              kRounding)
        << tiles << " tiles";
  }
  omp_set_num_threads(threads);
}

TEST(Winograd, NaNStaysNearItsPixel) {
  const Problem p = converted(make(1, 16, 16, 16, 16), DType::Float32);
  p.x.data<float>()[0] = std::nanf("");
  const Tensor y = run(cpu::conv2d_forward_by_winograd, p, {.relu = true});
  EXPECT_TRUE(std::isnan(y.data<float>()[0]));
  EXPECT_TRUE(std::isfinite(y.data<float>()[y.numel() - 1]));
}

// Through the backend's own door: a kept weight of this size takes Winograd's way, and its transform is kept.
TEST(Winograd, KeptTransformSeesWritesInPlace) {
  const Problem p = converted(make(1, 32, 24, 24, 32), DType::Float32);
  ASSERT_TRUE(cpu::winograd_pays(p.x, p.residual, p.weight, p.options));
  const Tensor before = run(cpu::conv2d_forward, p, epilogue(p, 1));
  const size_t kept = cpu::kept_weight_bytes();
  EXPECT_GE(kept, static_cast<size_t>(32 * 32 * 36 * 4));
  run(cpu::conv2d_forward, p, epilogue(p, 1));
  EXPECT_EQ(cpu::kept_weight_bytes(), kept) << "the second call found the kept copy";
  ops::mul_(p.weight, 2.0);
  EXPECT_EQ(error(run(cpu::conv2d_forward, p, epilogue(p, 1)), ops::mul(before, 2.0)), 0.0);
  ops::mul_(p.scale, 0.5);
  EXPECT_EQ(error(run(cpu::conv2d_forward, p, epilogue(p, 1)), before), 0.0);
  EXPECT_EQ(cpu::kept_weight_bytes(), kept) << "stale copies were dropped";
}

// What all kept copies take is bounded: the largest weights are transformed for each use.
TEST(Winograd, LargestWeightsAreNotKept) {
  const Problem p = converted(make(1, 512, 32, 32, 512), DType::Float32);
  ASSERT_TRUE(cpu::winograd_pays(p.x, p.residual, p.weight, p.options));
  const size_t kept = cpu::kept_weight_bytes();
  run(cpu::conv2d_forward, p);
  EXPECT_EQ(cpu::kept_weight_bytes(), kept);
  const Problem small = converted(make(1, 512, 8, 30, 512), DType::Float32);
  EXPECT_FALSE(cpu::winograd_pays(small.x, small.residual, small.weight, small.options)) << "too few uses";
}

// Through the backend's own door in every pass that may take this way, in both precisions.
TEST(Winograd, BehindTheBackend) {
  Problem oracle = make(2, 32, 24, 25, 48);
  oracle.options.keep_weight = false;
  for (DType dtype : {DType::Float32, DType::BFloat16}) {
    const Problem p = converted(oracle, dtype);
    const double rounding = dtype == DType::Float32 ? kRounding : kRoundingBFloat16;
    EXPECT_LT(
        error(run(cpu::conv2d_forward, p, epilogue(p, 15)), run(cpu::conv2d_forward, oracle, epilogue(oracle, 15))),
        rounding);
    EXPECT_LT(error(input_gradient(cpu::conv2d_backward_input, p), input_gradient(cpu::conv2d_backward_input, oracle)),
              rounding);
    EXPECT_LT(
        error(weight_gradient(cpu::conv2d_backward_weight, p), weight_gradient(cpu::conv2d_backward_weight, oracle)),
        kRounding);
  }
}

}  // namespace
}  // namespace bevgrad
