// Inference keeps prepared copies of weights and folded norms: whatever writes to a parameter or a buffer must be seen.
#include <gtest/gtest.h>

#include <functional>

#include "autograd/functions.h"
#include "nn/batch_norm.h"
#include "optim/adamw.h"
#include "optim/sgd.h"
#include "optim/weight_average.h"
#include "support/devices.h"
#include "tensor/ops.h"
#include "tensor/random.h"

namespace bevgrad {
namespace {

struct Net : Module {
  Conv2d conv{3, 8, {.kernel = 3, .padding = 1}};
  BatchNorm2d bn{8};
  Conv2d head{8, 2, {.kernel = 1}};
  explicit Net(uint64_t seed) {
    register_module("conv", conv);
    register_module("bn", bn);
    register_module("head", head);
    Generator generator(seed);
    const NoGradGuard no_grad;
    for (const auto& [name, tensor] : named_parameters()) ops::copy_(tensor, generator.normal(tensor.sizes(), 0, 0.4));
  }
  Tensor forward(const Tensor& x) { return head.forward(conv_bn_relu(conv, bn, x)); }
  std::vector<double> infer(const Tensor& x) {
    const NoGradGuard no_grad;
    set_training(false);
    const std::vector<double> values = forward(x).to_vector();
    set_training(true);
    return values;
  }
};

/// What a module that never computed anything gives with the same state.
std::vector<double> fresh(Net& net, const Tensor& x) {
  Net other(77);
  other.move_to(x.device());
  {
    const NoGradGuard no_grad;
    const StateDict from = net.state_dict(), to = other.state_dict();
    for (size_t i = 0; i < from.size(); ++i) ops::copy_(to[i].second, from[i].second);
  }
  return other.infer(x);
}

/// After inference and then `write`, inference sees what was written.
void expect_seen(const std::function<void(Net&, const Tensor& x)>& write) {
  for (const Device device : test_devices()) {
    SCOPED_TRACE(to_string(device));
    Net net(1);
    net.move_to(device);
    const Tensor x = ops::to(Generator(2).normal({2, 3, 9, 7}), device);
    const std::vector<double> before = net.infer(x);
    EXPECT_EQ(net.infer(x), before);
    write(net, x);
    const std::vector<double> after = net.infer(x), expected = fresh(net, x);
    EXPECT_NE(after, before);
    for (size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(after[i], expected[i], 1e-5) << i;
  }
}

void train_with(Net& net, const Tensor& x, Optimizer& optimizer) {
  optimizer.set_parameters(optimized_parameters(net.named_parameters(), {}));
  backward(sum(mul(net.forward(x), net.forward(x))));
  optimizer.step(0.1);
}

TEST(PreparedCopies, FollowAnOptimizersStep) {
  expect_seen([](Net& net, const Tensor& x) {
    AdamW optimizer;
    train_with(net, x, optimizer);
  });
  expect_seen([](Net& net, const Tensor& x) {
    Sgd optimizer({.momentum = 0.9});
    train_with(net, x, optimizer);
  });
}

TEST(PreparedCopies, FollowAStepThatMovesTheNormAlone) {
  expect_seen([](Net& net, const Tensor& x) {
    net.conv.set_frozen(true);
    net.head.set_frozen(true);
    AdamW optimizer;
    optimizer.set_parameters(optimized_parameters({{"gamma", net.bn.weight}, {"beta", net.bn.bias}}, {}));
    backward(sum(net.forward(x)));
    optimizer.step(0.1);
  });
}

TEST(PreparedCopies, FollowTheRunningStatistics) {
  expect_seen([](Net& net, const Tensor& x) {
    const NoGradGuard no_grad;
    net.set_training(true);
    net.forward(x);
  });
}

TEST(PreparedCopies, FollowABias) {
  expect_seen([](Net& net, const Tensor&) {
    const NoGradGuard no_grad;
    ops::add_(net.head.bias, full(net.head.bias.sizes(), 0.5, {.device = net.head.bias.device()}));
  });
}

TEST(PreparedCopies, FollowAnExchangeWithTheAverage) {
  expect_seen([](Net& net, const Tensor&) {
    WeightAverage average(0.5);
    Net other(5);
    other.move_to(net.head.bias.device());
    average.update(other.state_dict());
    average.swap(net.state_dict());
  });
}

}  // namespace
}  // namespace bevgrad
