// The layers: names, shapes, counts, states. A test for a layer of your own can start from any of these.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "autograd/autocast.h"
#include "autograd/functions.h"
#include "nn/batch_norm.h"
#include "nn/init.h"
#include "nn/linear.h"
#include "nn/sequential.h"
#include "support/devices.h"

namespace bevgrad {
namespace {

std::vector<std::string> names(const NamedTensors& tensors) {
  std::vector<std::string> result;
  for (const auto& [name, tensor] : tensors) result.push_back(name);
  return result;
}

Tensor random(const Shape& sizes, uint64_t seed) {
  return Generator(seed).uniform(sizes, -1, 1);
}

double largest_difference(const Tensor& a, const Tensor& b) {
  const auto x = a.to_vector(), y = b.to_vector();
  double largest = 0;
  for (size_t i = 0; i < x.size(); ++i) largest = std::max(largest, std::abs(x[i] - y[i]));
  return largest;
}

// A convolution and a norm with statistics that are not the identity.
struct ConvNorm : Module {
  Conv2d conv;
  BatchNorm2d bn;

  explicit ConvNorm(const ConvSpec& spec = {.kernel = 3, .padding = 1, .bias = false}) : conv(8, 16, spec), bn(16) {
    register_module("conv", conv);
    register_module("bn", bn);
    Generator generator(9);
    init::reset_parameters(*this, generator);
    init::uniform(bn.weight, 0.5, 1.5, generator);
    init::uniform(bn.bias, -0.5, 0.5, generator);
    init::uniform(bn.running_mean, -0.5, 0.5, generator);
    init::uniform(bn.running_var, 0.5, 1.5, generator);
  }
};

TEST(Layers, NamesAndShapesArePyTorchs) {
  const ConvNorm block;
  EXPECT_THAT(names(block.state_dict()),
              ::testing::ElementsAre("conv.weight", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var",
                                     "bn.num_batches_tracked"));
  EXPECT_EQ(block.parameter_count(), 8 * 16 * 9 + 32);
  EXPECT_EQ(ConvTranspose2d(6, 4, {.kernel = 2, .stride = 2}).weight.sizes(), (Shape{6, 4, 2, 2}));
  EXPECT_EQ(Linear(6, 4).weight.sizes(), (Shape{4, 6}));
  EXPECT_THAT(names(Linear(6, 4, false).state_dict()), ::testing::ElementsAre("weight"));
}

TEST(Layers, ConvolutionIsTheFunction) {
  Conv2d conv(3, 5, {.kernel = 3, .stride = 2, .padding = 1});
  Generator generator(1);
  init::reset_parameters(conv, generator);
  const Tensor x = random({2, 3, 7, 8}, 2);
  EXPECT_EQ(largest_difference(conv.forward(x), conv2d(x, conv.weight, conv.bias, {2, 1})), 0.0);
}

TEST(Layers, BatchNormCountsBatchesInTrainingOnly) {
  BatchNorm2d bn(3);
  const Tensor x = random({2, 3, 4, 4}, 1);
  bn.forward(x);
  bn.forward(x);
  EXPECT_EQ(bn.num_batches_tracked.item(), 2);
  const auto mean = bn.running_mean.to_vector();
  bn.set_training(false);
  bn.forward(x);
  bn.set_training(true);
  bn.set_frozen(true);
  bn.forward(x);
  EXPECT_EQ(bn.num_batches_tracked.item(), 2);
  EXPECT_EQ(bn.running_mean.to_vector(), mean);
}

TEST(ConvBnRelu, FusedAgreesWithApart) {
  for (const bool bias : {false, true})
    for (const bool with_residual : {false, true})
      for (const DType dtype : {DType::Float32, DType::BFloat16}) {
        ConvNorm block({.kernel = 3, .stride = 2, .padding = 1, .bias = bias});
        block.set_training(false);
        AutocastGuard autocast(dtype);
        const Tensor x = random({2, 8, 9, 7}, 1), residual = with_residual ? random({2, 16, 5, 4}, 2) : Tensor();
        const NormFusion fusion{.residual = residual, .relu = true};
        const Tensor apart = conv_bn_relu(block.conv, block.bn, x, fusion);
        ASSERT_TRUE(requires_grad(apart));
        NoGradGuard no_grad;
        for (int round = 0; round < 2; ++round)  // the second finds what the first prepared
          EXPECT_LT(largest_difference(conv_bn_relu(block.conv, block.bn, x, fusion), apart),
                    dtype == DType::Float32 ? 2e-6 : 0.05);
      }
}

TEST(ConvBnRelu, FrozenFollowsWritesToParameters) {
  ConvNorm block;
  block.set_frozen(true);
  const Tensor x = random({1, 8, 5, 5}, 1);
  auto apart = [&] { return block.bn.forward(block.conv.forward(x), {.relu = true}); };
  EXPECT_LT(largest_difference(conv_bn_relu(block.conv, block.bn, x), apart()), 2e-6);
  const auto tripled = [&] {
    const NoGradGuard no_grad;
    ops::mul_(block.conv.weight, 3.0);
  };
  tripled();
  EXPECT_LT(largest_difference(conv_bn_relu(block.conv, block.bn, x), apart()), 1e-5);
  ops::fill_(block.bn.running_var, 0.2);
  EXPECT_LT(largest_difference(conv_bn_relu(block.conv, block.bn, x), apart()), 1e-5);
}

TEST(ConvBnRelu, FrozenPassesGradientsToItsInputOnly) {
  ConvNorm block;
  block.set_frozen(true);
  const Tensor x = random({1, 8, 5, 5}, 1);
  set_requires_grad(x, true);
  const auto mean = block.bn.running_mean.to_vector();
  backward(sum(conv_bn_relu(block.conv, block.bn, x)));
  EXPECT_TRUE(grad(x).defined());
  for (const auto& [name, parameter] : block.named_parameters()) EXPECT_FALSE(grad(parameter).defined()) << name;
  EXPECT_EQ(block.bn.running_mean.to_vector(), mean);
}

TEST(ConvBnRelu, TrainingNormalises) {
  ConvNorm block;
  const Tensor y = conv_bn_relu(block.conv, block.bn, random({4, 8, 6, 6}, 1), {.relu = false});
  const auto mean = bevgrad::mean(y).item();
  EXPECT_NEAR(mean, bevgrad::mean(block.bn.bias).item(), 1e-5);
  backward(sum(mul(y, y)));
  for (const auto& [name, parameter] : block.named_parameters()) EXPECT_TRUE(grad(parameter).defined()) << name;
}

TEST(Init, SpreadFollowsTheFan) {
  Conv2d conv(32, 64, {.kernel = 3, .bias = true});
  Generator generator(1);
  init::reset_parameters(conv, generator);
  const double bound = std::sqrt(1.0 / (32 * 9));
  double largest = 0;
  for (double value : conv.weight.to_vector()) largest = std::max(largest, std::abs(value));
  EXPECT_LE(largest, bound);
  EXPECT_GT(largest, 0.99 * bound);
  init::kaiming_normal(conv.weight, init::Fan::Out, generator);
  EXPECT_NEAR(ops::sum_of_squares(conv.weight) / static_cast<double>(conv.weight.numel()), 2.0 / (64 * 9), 2e-4);
  EXPECT_NEAR(1 / (1 + std::exp(-init::prior_bias(0.01))), 0.01, 1e-12);
}

TEST(Init, SameSeedSameBits) {
  ConvNorm a, b;
  EXPECT_EQ(largest_difference(a.conv.weight, b.conv.weight), 0.0);
}

TEST(Sequential, NumbersItsModulesAndChainsThem) {
  Sequential<Linear> layers;
  layers.emplace(4, 5);
  layers.emplace(5, 2);
  EXPECT_THAT(names(layers.state_dict()), ::testing::ElementsAre("0.weight", "0.bias", "1.weight", "1.bias"));
  EXPECT_EQ(layers.forward(zeros({3, 4})).sizes(), (Shape{3, 2}));
  EXPECT_EQ(layers[1].weight.size(0), 2);
}

// A layer's parameters, their gradients and statistics move; views that others hold move along.
TEST(MoveTo, TheLayerComputesThere) {
  for (const Device device : test_devices()) {
    ConvNorm here, there;
    const Tensor x = random({2, 8, 9, 7}, 1), dy = random({2, 16, 9, 7}, 2);
    backward(here.bn.forward(here.conv.forward(x), {.relu = true}), dy);
    set_grad(there.conv.weight, zeros(there.conv.weight.sizes()));
    const Tensor view = ops::select(detach(there.conv.weight), 0, 3);
    there.move_to(device);
    EXPECT_EQ(there.device(), device);
    EXPECT_EQ(view.device(), device);
    EXPECT_EQ(view.to_vector(), select(here.conv.weight, 0, 3).to_vector());
    EXPECT_EQ(there.bn.running_var.device(), device);
    EXPECT_TRUE(there.bn.num_batches_tracked.device().is_cpu());
    EXPECT_EQ(grad(there.conv.weight).device(), device);
    backward(there.bn.forward(there.conv.forward(ops::to(x, device)), {.relu = true}), ops::to(dy, device));
    EXPECT_LT(largest_difference(grad(there.conv.weight), grad(here.conv.weight)), 1e-4);
    EXPECT_LT(largest_difference(grad(there.bn.weight), grad(here.bn.weight)), 1e-4);
    EXPECT_LT(largest_difference(there.bn.running_var, here.bn.running_var), 1e-5);
    there.set_training(false);
    here.set_training(false);
    const NoGradGuard no_grad;
    EXPECT_LT(
        largest_difference(conv_bn_relu(there.conv, there.bn, ops::to(x, device)), conv_bn_relu(here.conv, here.bn, x)),
        1e-5);
    there.move_to({});
    EXPECT_EQ(there.conv.weight.to_vector(), here.conv.weight.to_vector());
  }
}

}  // namespace
}  // namespace bevgrad
