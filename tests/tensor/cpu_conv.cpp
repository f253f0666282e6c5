// oneDNN's convolutions against the plain loops on the same values in float64.
#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <cstring>

#include "cpu/weight_cache.h"
#include "tensor/backend.h"
#include "tensor/ops.h"
#include "tensor/random.h"

namespace bevgrad {
namespace {

struct Shape2d {
  int64_t n, c, h, w, k;
  int kernel, stride, padding;
};

// Odd sizes, single images, channels around oneDNN's blocks of 16, the network's kinds of layers.
const Shape2d kShapes[] = {
    {1, 3, 33, 47, 64, 7, 2, 3}, {2, 16, 9, 7, 32, 3, 1, 1},   {1, 64, 8, 13, 64, 3, 1, 1},
    {2, 33, 7, 9, 17, 3, 2, 1},  {3, 32, 5, 5, 9, 1, 1, 0},    {1, 64, 10, 7, 128, 1, 2, 0},
    {2, 24, 6, 8, 16, 2, 2, 0},  {1, 128, 6, 5, 128, 3, 1, 1}, {2, 1, 4, 3, 1, 3, 1, 1},
    {1, 256, 4, 7, 48, 3, 1, 1}, {4, 5, 1, 1, 6, 1, 1, 0},
};

struct Problem {
  Tensor x, weight, scale, shift, residual, dy;
  ConvOptions options;
};

Tensor random(Generator& generator, const Shape& sizes, double low = -1, double high = 1) {
  // Values that bfloat16 holds exactly, so that only the arithmetic is compared.
  const Tensor x = generator.uniform(sizes, low, high);
  return ops::contiguous(ops::to(ops::to(x, DType::BFloat16), DType::Float64), MemoryFormat::ChannelsLast);
}

Problem make(const Shape2d& s) {
  Generator generator(5);
  const int64_t oh = (s.h + 2 * s.padding - s.kernel) / s.stride + 1,
                ow = (s.w + 2 * s.padding - s.kernel) / s.stride + 1;
  Problem p{random(generator, {s.n, s.c, s.h, s.w}),
            ops::contiguous(random(generator, {s.k, s.c, s.kernel, s.kernel})),
            random(generator, {s.k}, 0.5, 1.5),
            random(generator, {s.k}),
            random(generator, {s.n, s.k, oh, ow}),
            random(generator, {s.n, s.k, oh, ow}),
            {s.stride, s.padding}};
  return p;
}

Problem converted(const Problem& p, DType activations) {
  const DType parameters = activations == DType::Float64 ? DType::Float64 : DType::Float32;
  return {ops::to(p.x, activations),
          ops::to(p.weight, parameters),
          ops::to(p.scale, parameters),
          ops::to(p.shift, parameters),
          ops::to(p.residual, activations),
          ops::to(p.dy, activations),
          p.options};
}

Tensor nhwc(const Shape& sizes, DType dtype) {
  return empty(sizes, {dtype, MemoryFormat::ChannelsLast});
}

Tensor forward(const Problem& p, const ConvEpilogue& epilogue = {}) {
  const Tensor y = nhwc(p.dy.sizes(), p.x.dtype());
  backend({}).conv2d_forward(y, p.x, p.weight, epilogue, p.options);
  return y;
}
Tensor fused(const Problem& p) {
  return forward(p, {p.scale, p.shift, p.residual, true});
}
Tensor backward_input(const Problem& p) {
  const Tensor dx = nhwc(p.x.sizes(), p.x.dtype());
  backend({}).conv2d_backward_input(dx, p.dy, p.weight, p.options);
  return dx;
}
Tensor backward_weight(const Problem& p) {
  const Tensor dweight = empty(p.weight.sizes(), {p.weight.dtype()});
  backend({}).conv2d_backward_weight(dweight, p.x, p.dy, p.options);
  return dweight;
}

// Largest difference as a share of the largest value.
double error(const Tensor& actual, const Tensor& expected) {
  const auto a = actual.to_vector(), e = expected.to_vector();
  double largest = 1e-30, difference = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::abs(e[i]));
    difference = std::max(difference, std::abs(a[i] - e[i]));
  }
  return difference / largest;
}

class CpuConv : public ::testing::TestWithParam<std::tuple<Shape2d, DType>> {};

TEST_P(CpuConv, AgreesWithLoops) {
  const auto& [shape, dtype] = GetParam();
  const Problem oracle = make(shape), p = converted(oracle, dtype);
  const double rounding = dtype == DType::Float32 ? 2e-6 : 8e-3;
  EXPECT_LT(error(forward(p), forward(oracle)), rounding);
  EXPECT_LT(error(forward(p, {.shift = p.shift, .relu = true}), forward(oracle, {.shift = oracle.shift, .relu = true})),
            rounding);
  EXPECT_LT(error(fused(p), fused(oracle)), rounding);
  EXPECT_LT(error(backward_input(p), backward_input(oracle)), rounding);
  // A weight's gradient is float32 whatever the activations are.
  EXPECT_LT(error(backward_weight(p), backward_weight(oracle)), 1e-5);
}

TEST_P(CpuConv, SameBitsTwice) {
  const auto& [shape, dtype] = GetParam();
  const Problem p = converted(make(shape), dtype);
  for (auto* run : {&fused, &backward_input, &backward_weight}) {
    const Tensor first = run(p), second = run(p);
    EXPECT_EQ(0, std::memcmp(first.raw_data(), second.raw_data(), first.nbytes()));
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, CpuConv,
                         ::testing::Combine(::testing::ValuesIn(kShapes),
                                            ::testing::Values(DType::Float32, DType::BFloat16)));

TEST(CpuConvThreads, AnyCountAgrees) {
  const Problem oracle = make({2, 32, 12, 20, 32, 3, 1, 1}), p = converted(oracle, DType::Float32);
  const int threads = omp_get_max_threads();
  for (int count : {1, 2, 3}) {
    omp_set_num_threads(count);
    EXPECT_LT(error(fused(p), fused(oracle)), 2e-6);
    EXPECT_LT(error(backward_weight(p), backward_weight(oracle)), 1e-5);
  }
  omp_set_num_threads(threads);
}

TEST(CpuConvNaN, PassesThroughRelu) {
  Problem p = converted(make({1, 16, 3, 3, 16, 1, 1, 0}), DType::Float32);
  p.x.data<float>()[0] = std::nanf("");
  EXPECT_TRUE(std::isnan(forward(p).data<float>()[0]));
}

TEST(KeptWeights, WriteInPlaceIsSeen) {
  Problem p = converted(make({1, 32, 4, 4, 32, 3, 1, 1}), DType::BFloat16);
  p.options.keep_weight = true;
  const Tensor before = forward(p);
  const size_t kept = cpu::kept_weight_bytes();
  EXPECT_GE(kept, static_cast<size_t>(p.weight.numel() * 2));
  forward(p);
  EXPECT_EQ(cpu::kept_weight_bytes(), kept) << "the second call found the kept copy";
  ops::mul_(p.weight, 2.0);
  EXPECT_LT(error(forward(p), ops::mul(before, 2.0)), 1e-2);
  EXPECT_EQ(cpu::kept_weight_bytes(), kept) << "the stale copy was dropped";
  const ConvEpilogue scaled{.scale = p.scale};
  const Tensor once = forward(p, scaled);
  ops::mul_(p.scale, 0.5);
  EXPECT_LT(error(forward(p, scaled), ops::mul(once, 0.5)), 1e-2);
}

TEST(KeptWeights, FreedStorageIsForgotten) {
  Problem p = converted(make({1, 32, 4, 4, 32, 3, 1, 1}), DType::Float32);
  p.options.keep_weight = true;
  for (int round = 0; round < 20; ++round) {
    p.weight = full(p.weight.sizes(), round + 1);  // may well lie where the last one did
    const Tensor y = forward(p);
    Problem plain = p;
    plain.options.keep_weight = false;
    ASSERT_EQ(error(y, forward(plain)), 0.0) << "round " << round;
  }
  EXPECT_LT(cpu::kept_weight_bytes(), p.weight.nbytes() * 6);
}

}  // namespace
}  // namespace bevgrad
