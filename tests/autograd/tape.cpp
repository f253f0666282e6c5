// The tape itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "autograd/functions.h"
#include "autograd/gradcheck.h"
#include "tensor/allocator.h"
#include "tensor/random.h"

namespace bevgrad {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Tensor leaf(std::initializer_list<double> values) {
  const Tensor x = from_values(values, {static_cast<int64_t>(values.size())});
  set_requires_grad(x, true);
  return x;
}

template <class F>
std::string error_of(F&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Tape, GradientsReachTheLeaves) {
  const Tensor x = leaf({1, 2, 3}), w = leaf({4, 5, 6});
  backward(sum(mul(x, w)));
  EXPECT_THAT(grad(x).to_vector(), ElementsAre(4, 5, 6));
  EXPECT_THAT(grad(w).to_vector(), ElementsAre(1, 2, 3));
}

TEST(Tape, AValueUsedTwiceGetsBothGradients) {
  const Tensor x = leaf({3});
  const Tensor y = mul(x, x);
  backward(add(mul(y, x), y));  // x^3 + x^2
  EXPECT_THAT(grad(x).to_vector(), ElementsAre(33));
}

TEST(Tape, BackwardAccumulatesOverPasses) {
  const Tensor x = leaf({1, 2});
  backward(sum(mul(x, 2.0)));
  backward(sum(mul(x, 3.0)));
  EXPECT_THAT(grad(x).to_vector(), ElementsAre(5, 5));
}

TEST(Tape, LeavesDoNotShareTheirGradients) {
  const Tensor a = leaf({1, 2}), b = leaf({3, 4});
  backward(sum(add(a, b)));
  ops::mul_(grad(a), 10.0);
  EXPECT_THAT(grad(b).to_vector(), ElementsAre(1, 1));
  backward(sum(add(a, b)));
  EXPECT_THAT(grad(a).to_vector(), ElementsAre(11, 11));
}

// The gradients of inner values are added up in place where they may be.
TEST(Tape, InnerValuesDoNotShareTheirGradients) {
  const Tensor x = leaf({1, 2});
  const Tensor a = mul(x, 2.0), b = mul(x, 3.0), scaled = mul(a, 5.0);
  // The sum is recorded last, so a and b first get the same tensor; then a gets one more.
  backward(sum(add(add(a, b), scaled)));
  EXPECT_THAT(grad(x).to_vector(), ElementsAre(15, 15));
}

TEST(Tape, AnExpandedGradientIsNotWrittenInto) {
  const Tensor x = leaf({1, 2, 3});
  const Tensor a = mul(x, 2.0), first = sum(mul(a, from_values({5, 6, 7}, {3})));
  backward(add(first, sum(a)));
  EXPECT_THAT(grad(x).to_vector(), ElementsAre(12, 14, 16));
}

TEST(Tape, BroadcastingIsUndone) {
  const Tensor x = ones({2, 3, 4, 5}), bias = ones({3, 1, 1}), one = scalar(1.0);
  for (const Tensor& t : {x, bias, one}) set_requires_grad(t, true);
  backward(sum(mul(add(x, bias), one)));
  EXPECT_EQ(grad(x).sizes(), x.sizes());
  EXPECT_THAT(grad(bias).to_vector(), ElementsAre(40, 40, 40));
  EXPECT_EQ(grad(bias).sizes(), bias.sizes());
  EXPECT_THAT(grad(one).to_vector(), ElementsAre(240));
}

TEST(Tape, NothingIsRecordedWithoutGrad) {
  const Tensor x = leaf({1, 2});
  {
    NoGradGuard no_grad;
    EXPECT_FALSE(grad_enabled());
    EXPECT_FALSE(requires_grad(mul(x, x)));
    GradModeGuard again(true);
    EXPECT_TRUE(requires_grad(mul(x, x)));
  }
  EXPECT_TRUE(grad_enabled());
  EXPECT_FALSE(requires_grad(mul(detach(x), 2.0)));
  const Tensor plain = from_values({1, 2}, {2});
  EXPECT_THAT(error_of([&] { backward(sum(plain)); }),
              HasSubstr("does not depend on a tensor that requires a gradient"));
}

TEST(Tape, NothingIsKeptAliveWithoutGrad) {
  const Tensor x = ones({1 << 16});
  set_requires_grad(x, true);
  const size_t before = memory_stats().in_use;
  {
    NoGradGuard no_grad;
    Tensor y = x;
    for (int i = 0; i < 10; ++i) y = mul(y, y);
    EXPECT_LE(memory_stats().in_use - before, 1u << 18);
  }
  EXPECT_EQ(memory_stats().in_use, before);
}

TEST(Tape, WhatWasSavedIsReleasedByTheBackwardPass) {
  const Tensor x = ones({1 << 16});
  set_requires_grad(x, true);
  const size_t before = memory_stats().in_use;
  const Tensor y = sum(sigmoid(sigmoid(x)));
  EXPECT_GT(memory_stats().in_use, before + (1u << 18));
  backward(y);
  set_grad(x, {});
  EXPECT_LE(memory_stats().in_use, before + 256);
  EXPECT_THAT(error_of([&] { backward(y); }), HasSubstr("has been used by an earlier backward pass"));
}

TEST(Tape, AnInPlaceWriteToASavedTensorIsFound) {
  const Tensor x = leaf({1, 2});
  const Tensor h = mul(x, 2.0);
  const Tensor y = sum(mul(h, h));
  {
    const NoGradGuard no_grad;
    ops::add_(h, ones({2}));
  }
  EXPECT_EQ(error_of([&] { backward(y); }),
            "backward of mul: float32 [2] on cpu that it saved for the backward pass has been written in place since");
  // Through a view just as well.
  const Tensor z = mul(x, 2.0);
  const Tensor s = sum(mul(z, z));
  ops::fill_(ops::narrow(detach(z), 0, 0, 1), 0.0);
  EXPECT_THAT(error_of([&] { backward(s); }), HasSubstr("has been written in place"));
}

TEST(Tape, AWrongRuleNamesItself) {
  const Tensor x = leaf({1, 2, 3});
  auto with = [&](Grads grads) {
    return error_of([&] {
      backward(record("wrong", zeros({3}), {x}, [grads](const Tensor&, const NeedsGrad&) { return grads; }), ones({3}));
    });
  };
  EXPECT_EQ(with({}), "backward of wrong: 0 gradients were returned for 1 inputs");
  EXPECT_EQ(with({Tensor()}), "backward of wrong: no gradient was returned for input 0");
  EXPECT_EQ(with({ones({4})}), "backward of wrong: the gradient of input 0 has shape [4], expected [3]");
  EXPECT_EQ(with({ones({3}, {DType::Float64})}),
            "backward of wrong: the gradient of input 0 is float64 [3] on cpu, expected float32 on cpu");
}

TEST(Tape, OnlyWhatIsNeededIsComputed) {
  const Tensor x = leaf({1}), frozen = from_values({2}, {1});
  bool first = false, second = true;
  backward(record("probe", ones({1}), {x, frozen}, [&](const Tensor& dy, const NeedsGrad& needs) {
    first = needs[0];
    second = needs[1];
    return Grads{dy, Tensor()};
  }));
  EXPECT_TRUE(first);
  EXPECT_FALSE(second);
  EXPECT_FALSE(grad(frozen).defined());
}

TEST(Tape, ALongChainNeedsNoRecursion) {
  const Tensor x = leaf({1});
  Tensor y = x;
  for (int i = 0; i < 100000; ++i) y = add(y, 0.0);
  backward(y);
  EXPECT_THAT(grad(x).to_vector(), ElementsAre(1));
  // And is destroyed without any when no backward pass ran.
  Tensor z = x;
  for (int i = 0; i < 100000; ++i) z = add(z, 0.0);
  z = Tensor();
}

TEST(Tape, ManyBranchesRunOnce) {
  // 2^60 paths, 60 nodes.
  const Tensor x = leaf({1});
  Tensor y = x;
  for (int i = 0; i < 60; ++i) y = mul(add(y, y), 0.5);
  backward(y);
  EXPECT_THAT(grad(x).to_vector(), ElementsAre(1));
}

TEST(Tape, GradientsOfViewsKeepTheirPlace) {
  const Tensor x = leaf({1, 2, 3, 4});
  backward(sum(mul(reshape(narrow(x, 0, 1, 2), {2, 1}), from_values({10, 20}, {2, 1}))));
  EXPECT_THAT(grad(x).to_vector(), ElementsAre(0, 10, 20, 0));
}

TEST(Tape, AnExpandedGradientBecomesALeafsOwn) {
  const Tensor x = ones({3, 4});
  set_requires_grad(x, true);
  backward(sum(x));
  backward(sum(x));
  EXPECT_EQ(grad(x).to_vector(), std::vector<double>(12, 2.0));
}

TEST(Tape, OnlyFloatingLeavesCanWantAGradient) {
  EXPECT_THAT(error_of([] { set_requires_grad(zeros({2}, {DType::Int64}), true); }),
              HasSubstr("int64 [2] on cpu is not a floating-point tensor"));
  const Tensor y = mul(leaf({1}), 2.0);
  EXPECT_THAT(error_of([&] { set_requires_grad(y, false); }), HasSubstr("is the result of mul, not a leaf"));
  EXPECT_THAT(error_of([&] { backward(mul(leaf({1, 2}), 2.0)); }), HasSubstr("is no scalar"));
}

TEST(Tape, SameInputsSameBits) {
  auto run = [] {
    Generator generator(5);
    const Tensor x = generator.normal({4, 8, 16, 16});
    set_requires_grad(x, true);
    backward(mean(mul(sigmoid(x), relu(x))));
    return grad(x).to_vector();
  };
  EXPECT_EQ(run(), run());
}

TEST(Gradcheck, NamesWhatIsWrong) {
  const Tensor x = from_values({1, 2, 3, 4, 5, 6}, {2, 3}, {DType::Float64});
  const std::string message = gradcheck("tripled",
                                        [](const std::vector<Tensor>& inputs) {
                                          const OpScope scope("tripled");
                                          return record("tripled", ops::mul(inputs[0], 3.0), {inputs[0]},
                                                        [](const Tensor& dy, const NeedsGrad&) {
                                                          Tensor dx = ops::mul(dy, 3.0);
                                                          dx.data<double>()[4] *= 2;
                                                          return Grads{dx};
                                                        });
                                        },
                                        {x});
  EXPECT_THAT(message, HasSubstr("tripled: gradient of input 0 at [1,1]: analytic "));
  EXPECT_THAT(message, HasSubstr(", numeric "));
}

}  // namespace
}  // namespace bevgrad
