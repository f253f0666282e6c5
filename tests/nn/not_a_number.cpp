// A NaN passes through the activation of every layer, recorded or not, and is found by its maker's name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "autograd/anomaly.h"
#include "autograd/functions.h"
#include "nn/batch_norm.h"
#include "nn/init.h"
#include "nn/linear.h"
#include "nn/module_call.h"
#include "nn/sequential.h"
#include "tensor/random.h"

namespace bevgrad {
namespace {

using ::testing::HasSubstr;

const double kNan = std::numeric_limits<double>::quiet_NaN();

int64_t nans(const Tensor& x) {
  const auto values = x.to_vector();
  return std::count_if(values.begin(), values.end(), [](double v) { return std::isnan(v); });
}

template <class F>
std::string error_of(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

struct Case {
  int64_t channels, outputs, size;
  int kernel, stride;
  DType dtype;
};

// What runs by Winograd, by oneDNN in either precision, and by the loops.
const std::vector<Case> kCases = {
    {16, 32, 24, 3, 1, DType::Float32}, {16, 32, 9, 3, 2, DType::Float32},  {16, 32, 6, 1, 1, DType::Float32},
    {3, 8, 11, 7, 2, DType::Float32},   {16, 32, 9, 3, 1, DType::BFloat16}, {16, 32, 6, 1, 1, DType::BFloat16},
    {4, 6, 5, 3, 1, DType::Float64},
};

TEST(NaN, SurvivesTheReluOfAConvolution) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(
        fmt::format("{}->{} {}x{} stride {} {}", c.channels, c.outputs, c.kernel, c.kernel, c.stride, name(c.dtype)));
    Generator generator(3);
    Tensor x = generator.normal({2, c.channels, c.size, c.size}, 0, 1, {DType::Float64});
    ops::fill_(ops::select(ops::select(ops::select(ops::select(x, 0, 0), 0, 1), 0, 2), 0, 2), kNan);
    x = ops::to(x, c.dtype);
    const DType parameters = c.dtype == DType::Float64 ? c.dtype : DType::Float32;
    const Tensor weight = generator.normal({c.outputs, c.channels, c.kernel, c.kernel}, 0, 0.1, {parameters});
    const Tensor bias = generator.normal({c.outputs}, 0, 1, {parameters});
    const Conv2dOptions plain{c.stride, c.kernel / 2};
    Conv2dOptions fused = plain;
    fused.relu = true;
    const Tensor apart = relu(conv2d(x, weight, bias, plain));
    ASSERT_GT(nans(apart), 0);
    EXPECT_EQ(nans(conv2d(x, weight, bias, fused)), nans(apart));
    const Tensor residual = ops::to(generator.normal(apart.sizes()), c.dtype);
    const ConvEpilogue after{
        .scale = ones({c.outputs}, {parameters}), .shift = bias, .residual = residual, .relu = true};
    EXPECT_EQ(nans(conv2d_affine(x, weight, after, plain)), nans(apart));

    // Recorded: the value, and the gradient that relu passes on at a NaN.
    const auto gradient = [&](bool together) {
      const Tensor w = ops::clone(weight);
      set_requires_grad(w, true);
      const Tensor y = together ? conv2d(x, w, bias, fused) : relu(conv2d(x, w, bias, plain));
      EXPECT_EQ(nans(y), nans(apart));
      backward(sum(y));
      return grad(w);
    };
    EXPECT_EQ(nans(gradient(true)), nans(gradient(false)));
  }
}

TEST(NaN, SurvivesTheReluOfALinearLayer) {
  for (const DType dtype : {DType::Float32, DType::BFloat16, DType::Float64}) {
    const DType parameters = dtype == DType::Float64 ? dtype : DType::Float32;
    Tensor x = ops::to(Generator(1).normal({6, 40}), dtype);
    ops::fill_(ops::narrow(ops::select(x, 0, 2), 0, 5, 1), kNan);
    const Tensor weight = Generator(2).normal({5, 40}, 0, 1, {parameters});
    for (const Tensor& bias : {Tensor(), Generator(4).normal({5}, 0, 1, {parameters})}) {
      EXPECT_EQ(nans(linear(x, weight, bias, true)), 5) << name(dtype);
      set_requires_grad(weight, true);
      EXPECT_EQ(nans(linear(x, weight, bias, true)), 5) << name(dtype);
      set_requires_grad(weight, false);
    }
  }
}

TEST(NaN, RecordedAndUnrecordedBlocksAgree) {
  Generator generator(5);
  Conv2d conv(8, 16, {.kernel = 1, .bias = false});
  BatchNorm bn(16);
  init::reset_parameters(conv, generator);
  conv.set_training(false);
  bn.set_training(false);
  Tensor x = generator.normal({1, 8, 3, 3});
  ops::fill_(ops::select(ops::select(x, 0, 0), 0, 2), kNan);
  for (const Tensor& residual : {Tensor(), generator.normal({1, 16, 3, 3})}) {
    const NormFusion fusion{.residual = residual, .relu = true};
    const int64_t recorded = nans(conv_bn_relu(conv, bn, x, fusion));
    EXPECT_EQ(recorded, 16 * 9);
    const NoGradGuard no_grad;
    EXPECT_EQ(nans(conv_bn_relu(conv, bn, x, fusion)), recorded);
  }
}

TEST(Anomaly, NamesTheFirstOperationThatMadeIt) {
  const Tensor x = from_values({1, -1, 4}, {3});
  set_requires_grad(x, true);
  EXPECT_EQ(error_of([&] { sum(exp(sqrt(x))); }), "");
  const AnomalyGuard anomaly;
  EXPECT_EQ(error_of([&] { sum(exp(sqrt(x))); }),
            "anomaly: the result of sqrt, float32 [3] on cpu: 1 of 3 values are no finite numbers, the first (nan) at "
            "[1]");
  EXPECT_EQ(error_of([&] { log(mul(x, 0.0)); }),
            "anomaly: the result of log, float32 [3] on cpu: 3 of 3 values are no finite numbers, the first (-inf) at "
            "[0]");
  EXPECT_EQ(error_of([&] {
              add(from_values({1, kNan}, {2}), 1.0);
            }),
            "anomaly: input 0 of add, float32 [2] on cpu, came with it: 1 of 2 values are no finite numbers, the first "
            "(nan) at [1]");
  // Without a record too.
  const NoGradGuard no_grad;
  EXPECT_THAT(error_of([&] { sqrt(x); }), HasSubstr("the result of sqrt"));
  const AnomalyGuard off(false);
  EXPECT_EQ(error_of([&] { sqrt(x); }), "");
}

TEST(Anomaly, NamesTheRuleThatMadeIt) {
  const AnomalyGuard anomaly;
  const Tensor x = from_values({0, 1}, {2});
  set_requires_grad(x, true);
  const Tensor y = sum(sqrt(x));  // 0 is fine, its slope is not
  EXPECT_EQ(error_of([&] { backward(y); }),
            "anomaly: backward of sqrt: the gradient of input 0, float32 [2] on cpu: 1 of 2 values are no finite "
            "numbers, the first (inf) at [0]");
  const Tensor z = mul(x, 2.0);
  EXPECT_THAT(error_of([&] {
                backward(z, from_values({1, kNan}, {2}));
              }),
              HasSubstr("the backward pass of mul began with a gradient, float32 [2] on cpu, of which 1 of 2"));
}

// The module that it ran in, also when the backward rule is at fault.
TEST(Anomaly, NamesTheModule) {
  struct Block : Module {
    Sequential<Linear> layers;
    bool root = false;
    Block() {
      layers.emplace(2, 3);
      layers.emplace(3, 2);
      register_module("layers", layers);
    }
    Tensor forward(const Tensor& x) {
      return module_call(*this, [&] {
        const Tensor y = layers.forward(x);
        return root ? sqrt(sub(y, y)) : y;
      });
    }
  };
  struct Net : Module {
    Block first, second;
    Net() {
      register_module("first", first);
      register_module("second", second);
      Generator generator(1);
      init::reset_parameters(*this, generator);
    }
    Tensor forward(const Tensor& x) {
      return module_call(*this, [&] { return second.forward(first.forward(x)); });
    }
  };
  Net net;
  const Tensor x = ones({4, 2});
  const AnomalyGuard anomaly;
  EXPECT_EQ(error_of([&] { net.forward(x); }), "");
  net.second.root = true;
  const Tensor y = sum(net.forward(x));
  EXPECT_THAT(error_of([&] { backward(y); }), HasSubstr("backward of sqrt in module second: the gradient of input 0"));
  init::constant(net.first.layers[1].weight, kNan);
  EXPECT_THAT(error_of([&] { net.forward(x); }), HasSubstr("input 1 of linear in module first.layers.1, "));
  EXPECT_EQ(current_module_path(), "");
}

}  // namespace
}  // namespace bevgrad
