// Convolutions of every device against the CPU's plain loops on the same values in float64.
#include <gtest/gtest.h>

#include "support/conv_problem.h"
#include "support/devices.h"

namespace bevgrad {
namespace {

class Conv : public ::testing::TestWithParam<std::tuple<ConvCase, DType>> {};

TEST_P(Conv, EveryPassAndEpilogueAgreesWithLoops) {
  const auto& [shape, dtype] = GetParam();
  const ConvRun oracle = make_conv(shape);
  const double magnitude = largest_value(oracle.forward());
  for (const Device device : test_devices()) {
    SCOPED_TRACE(to_string(device));
    const ConvRun run = oracle.to(device, dtype);
    for (int what = 0; what < 16; ++what) {
      const auto epilogue = [what](const ConvRun& r) {
        const auto where = [what](int bit, const Tensor& t) { return what & bit ? t : Tensor(); };
        return ConvEpilogue{where(1, r.scale), where(2, r.shift), where(4, r.residual), (what & 8) != 0};
      };
      EXPECT_LT(largest_error(run.forward(epilogue(run)), oracle.forward(epilogue(oracle)), magnitude),
                tolerance(dtype))
          << what;
    }
    EXPECT_LT(largest_error(run.backward_input(), oracle.backward_input()), tolerance(dtype));
    // A weight's gradient is float32 whatever the activations are; cuDNN may round it to theirs on the way.
    const double rounding = device.is_cpu() ? tolerance(DType::Float32) : tolerance(dtype);
    EXPECT_LT(largest_error(run.backward_weight(), oracle.backward_weight()), rounding);
  }
}

TEST_P(Conv, SameBitsTwice) {
  const auto& [shape, dtype] = GetParam();
  for (const Device device : test_devices()) {
    SCOPED_TRACE(to_string(device));
    const ConvRun run = make_conv(shape).to(device, dtype);
    const auto fused = [&] { return run.forward({run.scale, run.shift, run.residual, true}); };
    EXPECT_TRUE(same_bits(fused(), fused()));
    EXPECT_TRUE(same_bits(run.backward_input(), run.backward_input()));
    EXPECT_TRUE(same_bits(run.backward_weight(), run.backward_weight()));
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, Conv,
                         ::testing::Combine(::testing::ValuesIn(kConvCases),
                                            ::testing::Values(DType::Float32, DType::BFloat16, DType::Float64)));

TEST(ConvSpecial, GradientOfAWiderInput) {
  // Under autocast the input of a convolution is float32 and the gradient that comes back bfloat16.
  for (const ConvCase& shape : {kConvCases[1], kConvCases[3]})
    for (const Device device : test_devices()) {
      const ConvRun oracle = make_conv(shape), run = oracle.to(device, DType::BFloat16);
      const Tensor dx = run.backward_input(DType::Float32);
      EXPECT_EQ(dx.dtype(), DType::Float32);
      EXPECT_LT(largest_error(dx, oracle.backward_input()), tolerance(DType::BFloat16)) << to_string(device);
    }
}

// In float64 on the CPU: in float32 such a convolution is oneDNN's, whose ReLU promises nothing.
TEST(ConvSpecial, NaNPassesThroughRelu) {
  for (const Device device : test_devices()) {
    ConvRun run = make_conv({1, 16, 3, 3, 16, 1, 1, 0}).to(device, device.is_cpu() ? DType::Float64 : DType::Float32);
    ops::fill_(ops::narrow(run.x, 1, 0, 1), std::nan(""));
    EXPECT_TRUE(std::isnan(run.forward({.relu = true}).to_vector()[0])) << to_string(device);
  }
}

TEST(ConvSpecial, EmptyBatchAndNoChannels) {
  for (const Device device : test_devices())
    for (const DType dtype : {DType::Float32, DType::BFloat16, DType::Float64}) {
      SCOPED_TRACE(to_string(device));
      const ConvRun none = make_conv({0, 16, 5, 5, 8, 3, 1, 1}).to(device, dtype);
      EXPECT_EQ(none.forward({none.scale, none.shift, {}, true}).numel(), 0);
      EXPECT_EQ(none.backward_input().numel(), 0);
      EXPECT_EQ(largest_error(none.backward_weight(), zeros({8, 16, 3, 3}, {parameters_of(dtype)})), 0);
      const ConvRun thin = make_conv({2, 0, 5, 5, 8, 3, 1, 1}).to(device, dtype);
      const Tensor expected = ops::add(zeros({2, 8, 5, 5}), ops::view(on(thin.shift, {}, DType::Float32), {8, 1, 1}));
      EXPECT_LT(largest_error(thin.forward({.shift = thin.shift}), expected), tolerance(dtype));
    }
}

TEST(ConvSpecial, OddAddresses) {
  // Views that begin in the middle of an allocation are aligned to their elements only.
  for (const Device device : test_devices())
    for (const DType dtype : {DType::Float32, DType::BFloat16}) {
      const ConvRun oracle = make_conv({2, 16, 6, 5, 24, 3, 1, 1});
      ConvRun run = oracle.to(device, dtype);
      const auto shifted = [](const Tensor& t) {
        const Tensor memory = empty({t.numel() + 1}, {t.dtype(), {}, t.device()});
        const Tensor view(memory.storage(), 1, t.sizes(), t.strides(), t.dtype());
        ops::copy_(view, t);
        return view;
      };
      for (Tensor* t : {&run.x, &run.weight, &run.shift, &run.residual, &run.dy}) *t = shifted(*t);
      SCOPED_TRACE(to_string(device));
      EXPECT_LT(largest_error(run.forward({{}, run.shift, run.residual, true}),
                              oracle.forward({{}, oracle.shift, oracle.residual, true})),
                tolerance(dtype));
      EXPECT_LT(largest_error(run.backward_input(), oracle.backward_input()), tolerance(dtype));
      EXPECT_LT(largest_error(run.backward_weight(), oracle.backward_weight()), tolerance(dtype));
    }
}

TEST(KeptWeights, WriteInPlaceIsSeen) {
  for (const Device device : test_devices())
    for (const DType dtype : {DType::Float32, DType::BFloat16}) {
      SCOPED_TRACE(to_string(device));
      ConvRun run = make_conv({1, 32, 4, 4, 32, 3, 1, 1}).to(device, dtype);
      run.options.keep_weight = true;
      const ConvEpilogue epilogue{.scale = run.scale, .shift = run.shift};
      const auto plain = [&] {
        ConvRun other = run;
        other.options.keep_weight = false;
        return other.forward(epilogue);
      };
      for (const Tensor& written : {run.weight, run.scale, run.shift}) {
        run.forward(epilogue);
        ops::mul_(written, 2.0);
        EXPECT_TRUE(same_bits(run.forward(epilogue), plain()));
      }
      const Tensor dx = run.backward_input();
      ops::mul_(run.weight, 0.5);
      EXPECT_LT(largest_error(run.backward_input(), ops::mul(dx, 0.5)), tolerance(dtype));
    }
}

TEST(KeptWeights, FreedStorageIsForgotten) {
  for (const Device device : test_devices()) {
    ConvRun run = make_conv({1, 32, 4, 4, 32, 3, 1, 1}).to(device, DType::Float32);
    for (int round = 0; round < 20; ++round) {
      run.weight = full(run.weight.sizes(), round + 1, {DType::Float32, {}, device});  // may lie where the last one did
      run.options.keep_weight = true;
      const Tensor kept = run.forward();
      run.options.keep_weight = false;
      ASSERT_TRUE(same_bits(kept, run.forward())) << to_string(device) << ", round " << round;
    }
  }
}

}  // namespace
}  // namespace bevgrad
