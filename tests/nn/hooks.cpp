// Hooks: what a module's calls give, seen and replaced.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "autograd/checkpoint.h"
#include "autograd/functions.h"
#include "nn/attention.h"
#include "nn/batch_norm.h"
#include "nn/conv.h"
#include "nn/init.h"
#include "nn/linear.h"
#include "nn/module_call.h"
#include "nn/recurrent.h"
#include "nn/sequential.h"
#include "support/error_of.h"
#include "support/golden.h"
#include "support/kernel_problem.h"
#include "tensor/extremes.h"
#include "tensor/random.h"

namespace bevgrad {
namespace {

using namespace bevgrad::testing;
using ::testing::ElementsAre;

void expect_close(const Tensor& actual, const Tensor& expected, double tolerance) {
  EXPECT_LE(relative_error(detach(actual), detach(expected)), tolerance);
}

Tensor random(const Shape& sizes, uint64_t seed) {
  return Generator(seed).normal(sizes);
}

struct Net : Module {
  Linear first{3, 4}, second{4, 2};
  Net() {
    register_module("first", first);
    register_module("second", second);
    Generator generator(1);
    init::reset_parameters(*this, generator);
  }
  Tensor forward(const Tensor& x) {
    return module_call(*this, [&] { return second.forward(relu(first.forward(x))); });
  }
};

TEST(Hooks, SeeEveryCallWhileTheirHandlesLive) {
  Net net;
  const Tensor x = random({5, 3}, 2);
  std::vector<Tensor> seen;
  {
    const HookHandle hook = net.second.on_forward([&](const Module& module, const Tensor& y, size_t place) {
      EXPECT_EQ(&module, &net.second);
      EXPECT_EQ(place, 0u);
      seen.push_back(detach(y));
      return y;
    });
    EXPECT_TRUE(net.second.has_hooks());
    EXPECT_FALSE(net.has_hooks());
    EXPECT_TRUE(net.has_hooks_within());
    const Tensor y = net.forward(x);
    net.forward(x);
    ASSERT_EQ(seen.size(), 2u);
    EXPECT_TRUE(same_bits(seen[0], detach(y)));
  }
  EXPECT_FALSE(net.has_hooks_within());
  net.forward(x);
  EXPECT_EQ(seen.size(), 2u);
}

TEST(Hooks, ReplaceWhatTheModuleGivesOneAfterAnother) {
  Net net;
  const Tensor x = random({5, 3}, 2), plain = detach(net.forward(x));
  const HookHandle doubled = net.on_forward([](const Module&, const Tensor& y, size_t) { return mul(y, 2.0); });
  const HookHandle plus_one = net.on_forward([](const Module&, const Tensor& y, size_t) { return add(y, 1.0); });
  const Tensor y = net.forward(x);
  expect_close(detach(y), ops::add(ops::mul(plain, 2.0), 1.0), 1e-6);
  backward(sum(y));
  Net other;
  backward(sum(other.forward(x)));
  expect_close(grad(net.second.bias), ops::mul(grad(other.second.bias), 2.0), 1e-6);
}

TEST(Hooks, SeeAndReplaceTheGradientOfAnOutput) {
  Net net, plain;
  const Tensor x = random({5, 3}, 2);
  std::vector<Tensor> seen;
  const HookHandle hook = net.first.on_backward([&](const Module& module, const Tensor& gradient, size_t) {
    EXPECT_EQ(&module, &net.first);
    seen.push_back(gradient);
    return ops::mul(gradient, -1.0);
  });
  backward(sum(net.forward(x)));
  backward(sum(plain.forward(x)));
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].sizes(), (Shape{5, 4}));
  expect_close(ops::sum(seen[0], {0}), grad(plain.first.bias), 1e-6);
  expect_close(grad(net.first.weight), ops::mul(grad(plain.first.weight), -1.0), 1e-6);
  expect_close(grad(net.second.weight), grad(plain.second.weight), 0);
  const NoGradGuard no_grad;
  net.forward(x);  // nothing is recorded: nobody asks for a gradient
  EXPECT_EQ(seen.size(), 1u);
}

TEST(Hooks, AGradientOfOtherSizesIsRefused) {
  Net net;
  const HookHandle hook = net.second.on_backward([](const Module&, const Tensor&, size_t) { return ones({3}); });
  const Tensor y = net.forward(random({5, 3}, 2));
  EXPECT_THAT(error_of([&] { backward(sum(y)); }), ::testing::HasSubstr("backward hook"));
  EXPECT_THAT(error_of([&] { const HookHandle none = net.on_forward({}); }), ::testing::HasSubstr("the hook is empty"));
}

TEST(Hooks, SeveralOutputsHaveTheirPlaces) {
  LSTM lstm({.input_size = 3, .hidden_size = 2});
  MultiheadAttention attention({.embed_dim = 4, .num_heads = 2});
  std::vector<std::pair<size_t, Shape>> seen;
  const auto look = [&](const Module&, const Tensor& y, size_t place) {
    seen.emplace_back(place, y.sizes());
    return y;
  };
  const HookHandle of_lstm = lstm.on_forward(look), of_attention = attention.on_forward(look);
  using Seen = std::pair<size_t, Shape>;
  lstm.forward(random({5, 1, 3}, 1));
  EXPECT_THAT(seen, ElementsAre(Seen{0, {5, 1, 2}}, Seen{1, {1, 1, 2}}, Seen{2, {1, 1, 2}}));
  seen.clear();
  const Tensor x = random({3, 4}, 2);
  attention.forward(x, x, x, {.need_weights = true});
  EXPECT_THAT(seen, ElementsAre(Seen{0, {3, 1, 4}}, Seen{1, {1, 3, 3}}));
  seen.clear();
  attention.forward(x, x, x, {.need_weights = false});  // no weights: nothing in their place
  EXPECT_THAT(seen, ElementsAre(Seen{0, {3, 1, 4}}));
}

// Steps that are one kernel otherwise.
TEST(Hooks, FusedStepsAreTakenApart) {
  const Tensor x = random({2, 3, 5, 4}, 3), residual = random({2, 4, 5, 4}, 4);
  Generator generator(5);
  Conv2d conv(3, 4, {.kernel = 3, .padding = 1, .bias = false}),
      with_relu(3, 4, {.kernel = 3, .padding = 1, .relu = true});
  BatchNorm bn(4);
  for (Module* module : std::initializer_list<Module*>{&conv, &with_relu}) init::reset_parameters(*module, generator);
  init::constant(bn.bias, -0.3);
  for (const bool training : {false, true}) {
    SCOPED_TRACE(training);
    bn.set_training(training);
    const NoGradGuard no_grad;
    const Tensor fused = conv_bn_relu(conv, bn, x, {.residual = residual, .relu = true});
    const Tensor fused_relu = with_relu.forward(x);
    std::vector<Tensor> seen;
    const auto look = [&](const Module&, const Tensor& y, size_t) {
      seen.push_back(ops::clone(y));
      return y;
    };
    for (Module* module : std::initializer_list<Module*>{&conv, &bn}) {
      const HookHandle hook = module->on_forward(look);
      expect_close(conv_bn_relu(conv, bn, x, {.residual = residual, .relu = true}), fused, 1e-5);
    }
    const HookHandle hook = with_relu.on_forward(look);
    expect_close(with_relu.forward(x), fused_relu, 1e-5);
    ASSERT_EQ(seen.size(), 3u);
    expect_close(seen[0], conv2d(x, conv.weight, {}, conv.spec().options()), 1e-6);
    expect_close(ops::relu(ops::add(seen[1], residual)), fused, 1e-5);
    expect_close(ops::relu(seen[2]), fused_relu, 1e-5);
    EXPECT_LT(ops::min_with_index(ops::reshape(seen[2], {-1}), 0).first.item(), 0);
  }
}

TEST(Hooks, AreCalledAgainWhereAForwardIsRecomputed) {
  Net net;
  int calls = 0;
  const HookHandle hook = net.first.on_forward([&](const Module&, const Tensor& y, size_t) {
    ++calls;
    return y;
  });
  const Tensor x = random({5, 3}, 2);
  set_requires_grad(x, true);
  const Tensor y = checkpoint([&](const std::vector<Tensor>& in) { return net.forward(in[0]); }, {x});
  EXPECT_EQ(calls, 1);
  backward(sum(y));
  EXPECT_EQ(calls, 2);
}

}  // namespace
}  // namespace bevgrad
