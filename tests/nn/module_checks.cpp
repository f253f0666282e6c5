// The test kit finds what it is for: every planted fault is named.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "autograd/checkpoint.h"
#include "autograd/functions.h"
#include "nn/batch_norm.h"
#include "nn/check_module.h"
#include "nn/conv_nd.h"
#include "nn/dropout.h"
#include "nn/embedding.h"
#include "nn/init.h"
#include "nn/layer_norm.h"
#include "nn/linear.h"
#include "nn/module_call.h"
#include "nn/recurrent.h"
#include "nn/sequential.h"
#include "nn/transformer.h"
#include "tensor/random.h"

namespace bevgrad {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using Tensors = std::vector<Tensor>;

Tensor random(const Shape& sizes, uint64_t seed) {
  return Generator(seed).normal(sizes);
}

Tensor random64(const Shape& sizes, uint64_t seed) {
  return Generator(seed).uniform(sizes, 0.5, 2, {DType::Float64});
}

// x * w, with a wrong gradient for either, at one element or all.
Tensor product(const Tensor& x, const Tensor& w, double x_factor, double w_factor) {
  const OpScope scope("product", {{"x", x}, {"w", w}});
  return record("product", ops::mul(x, w), {x, w},
                [=, x_ = Saved(x), w_ = Saved(w)](const Tensor& dy, const NeedsGrad&) {
                  return Grads{ops::mul(ops::mul(dy, w_.get()), x_factor), ops::mul(ops::mul(dy, x_.get()), w_factor)};
                });
}

TEST(Gradcheck, ChecksWhatTheFunctionCaptures) {
  const Tensor w = random64({3}, 1), x = random64({2, 3}, 2);
  set_requires_grad(w, true);
  const auto f = [&](double x_factor, double w_factor) {
    return gradcheck("f", [=](const Tensors& in) { return product(in[0], w, x_factor, w_factor); }, {x});
  };
  EXPECT_EQ(f(1, 1), "");
  EXPECT_THAT(f(1, 1.5), AllOf(StartsWith("f: gradient of captured 0 (float64 [3] on cpu) at [0]: analytic "),
                               HasSubstr("; 3 of 3 elements are off, by ")));
  EXPECT_THAT(f(2, 1), AllOf(StartsWith("f: gradient of input 0 at [0,0]: analytic "),
                             HasSubstr("; 6 of 6 elements are off, by ")));
  EXPECT_FALSE(grad(w).defined());
  EXPECT_TRUE(requires_grad(w));
}

TEST(Gradcheck, CountsAndFindsTheLargestError) {
  const Tensor x = random64({2, 3}, 2);
  const std::string message =
      gradcheck("twice",
                [](const Tensors& in) {
                  const OpScope scope("twice");
                  return record("twice", ops::mul(in[0], 2.0), {in[0]}, [](const Tensor& dy, const NeedsGrad&) {
                    Tensor dx = ops::mul(dy, 2.0);
                    dx.data<double>()[1] += 0.5;
                    dx.data<double>()[5] -= 3;
                    return Grads{dx};
                  });
                },
                {x});
  EXPECT_THAT(message, AllOf(StartsWith("twice: gradient of input 0 at [0,1]: analytic "),
                             HasSubstr("; 2 of 6 elements are off, by 3 at most (at [1,2])")));
}

TEST(Gradcheck, SaysWhyThereIsNoSlope) {
  const Tensor x = random64({2}, 1);
  int calls = 0;
  EXPECT_THAT(gradcheck("moving", [&](const Tensors& in) { return mul(in[0], 1.0 + ++calls); }, {x}),
              StartsWith("moving: the function gives other values when it is called again with the same inputs"));
  // Also where the central difference happens to be what the rule gives, as that of |x| at 0.
  for (Tensor (*function)(const Tensor&) : {&relu, &abs})
    EXPECT_THAT(gradcheck("kink", [&](const Tensors& in) { return function(in[0]); },
                          {from_values({1, 0}, {2}, {DType::Float64})}),
                StartsWith("kink: input 0 at [1]: the function is not differentiable there, its slopes are "));
  EXPECT_EQ(
      gradcheck("mixed", [](const Tensors& in) { return in[0]; }, {x, ones({2})}),
      "mixed: input 1 is float32 [2] on cpu, the output float64 [2] on cpu: expected one dtype, float64 or float32");
  EXPECT_EQ(gradcheck("half", [](const Tensors& in) { return to(in[0], DType::BFloat16); }, {x}),
            "half: the output is bfloat16 [2] on cpu, expected float64 or float32");
}

TEST(Gradcheck, TakesFloat32) {
  const Tensor x = random({3, 4}, 1), w = random({4, 2}, 2);
  const auto f = [](double x_factor) {
    return [=](const Tensors& in) { return sigmoid(matmul(product(in[0], ones({4}), x_factor, 1), in[1])); };
  };
  EXPECT_EQ(gradcheck("f", f(1), {x, w}), "");
  EXPECT_THAT(gradcheck("f", f(1.1), {x, w}), StartsWith("f: gradient of input 0 at "));
  EXPECT_EQ(gradcheck("conv",
                      [](const Tensors& in) {
                        return conv2d(in[0], in[1], in[2], {1, 1});
                      },
                      {random({1, 3, 5, 4}, 3), random({2, 3, 3, 3}, 4), random({2}, 5)}),
            "");
}

// x * w + |x| * b, with a fault of choice in its rule.
enum class Rule { Right, Scale, OneElement, LeavesOut, NegativeSign, BatchPosition, Needs };

Tensor bent(const Tensor& x, const Tensor& w, const Tensor& b, Rule rule) {
  const OpScope scope("bent", {{"x", x}, {"w", w}, {"b", b}});
  const Tensor y = ops::add(ops::mul(x, w), ops::mul(ops::abs(x), b));
  const Tensors inputs = rule == Rule::LeavesOut ? Tensors{x, w} : Tensors{x, w, b};
  return record(
      "bent", y, inputs,
      [=, x_ = Saved(x), w_ = Saved(w), b_ = Saved(b), count = inputs.size()](const Tensor& dy,
                                                                              const NeedsGrad& needs) {
        const Tensor magnitude = ops::abs(x_.get());
        Tensor sign = ops::div(x_.get(), magnitude);
        if (rule == Rule::NegativeSign) sign = ops::mul(sign, sign);
        const Tensor dx = ops::add(ops::mul(dy, w_.get()), ops::mul(ops::mul(dy, sign), b_.get()));
        if (rule == Rule::OneElement) ops::fill_(ops::select(ops::select(dx, 0, 1), 0, 2), 0.5);
        if (rule == Rule::BatchPosition) ops::mul_(ops::select(dx, 0, dx.size(0) - 1), 2.0);
        Grads grads = {dx, ops::mul(ops::mul(dy, x_.get()), rule == Rule::Scale ? 1.5 : 1.0), ops::mul(dy, magnitude)};
        if (rule == Rule::Needs && !needs[0]) ops::fill_(grads[2], 0.0);
        grads.resize(count);
        return grads;
      });
}

struct Bent : Module {
  Rule rule;
  Tensor w = register_parameter("w", from_values({0.5, -1.5, 2}, {3}));
  Tensor b = register_parameter("b", from_values({1, 0.25, -0.75}, {3}));
  explicit Bent(Rule rule) : rule(rule) {}
  Tensor forward(const Tensor& x) const { return bent(x, w, b, rule); }
};

// What is said of a rule as a function of three inputs, of captured leaves, of a module, and by check_module.
struct Verdicts {
  std::string inputs, captured, module, checked;
};

Verdicts verdicts(Rule rule) {
  const Tensor x = from_values({-1, 0.5, 2, 1.5, -0.25, 0.75, 0.5, 1, -2, -0.5, -1, 1}, {4, 3});
  Bent layer(rule);
  const auto forward = [&](const Tensors& in) { return layer.forward(in[0]); };
  const auto wide = [](const Tensor& t) { return ops::to(detach(t), DType::Float64); };
  const Tensor w = wide(layer.w), b = wide(layer.b);
  Verdicts result;
  result.inputs =
      gradcheck("bent", [&](const Tensors& in) { return bent(in[0], in[1], in[2], rule); }, {wide(x), w, b});
  set_requires_grad(w, true);
  set_requires_grad(b, true);
  result.captured = gradcheck("bent", [&](const Tensors& in) { return bent(in[0], w, b, rule); }, {wide(x)});
  result.module = gradcheck("bent", layer, forward, {x});
  result.checked = check_module("bent", layer, forward, {x});
  return result;
}

TEST(Gradcheck, NamesTheWrongElementOfAnyRule) {
  const Verdicts right = verdicts(Rule::Right);
  EXPECT_EQ(right.inputs + right.captured + right.module + right.checked, "");
  const auto expect = [](Rule rule, const char* input, const char* captured, const char* parameter) {
    const Verdicts found = verdicts(rule);
    EXPECT_THAT(found.inputs, StartsWith(std::string("bent: ") + input));
    EXPECT_THAT(found.captured, StartsWith(std::string("bent: ") + captured));
    EXPECT_THAT(found.module, StartsWith(std::string("bent: ") + parameter));
    EXPECT_THAT(found.checked, StartsWith(std::string("bent: in evaluation: ") + parameter));
  };
  expect(Rule::Scale, "gradient of input 1 at [0]: analytic ",
         "gradient of captured 0 (float64 [3] on cpu) at [0]: analytic ", "gradient of w at [0]: analytic ");
  for (const auto& [rule, at] :
       {std::pair(Rule::OneElement, "[1,2]: analytic 0.5, numeric "), std::pair(Rule::NegativeSign, "[0,0]: analytic "),
        std::pair(Rule::BatchPosition, "[3,0]: analytic ")}) {
    const std::string text = std::string("gradient of input 0 at ") + at;
    expect(rule, text.c_str(), text.c_str(), text.c_str());
  }
}

TEST(Gradcheck, FindsALeafThatTheRecordLeavesOut) {
  const Verdicts found = verdicts(Rule::LeavesOut);
  EXPECT_THAT(found.inputs, StartsWith("bent: input 2 got no gradient"));
  EXPECT_THAT(found.captured, StartsWith("bent: captured 1 (float64 [3] on cpu) got no gradient"));
  EXPECT_THAT(found.module, StartsWith("bent: b got no gradient"));
  EXPECT_THAT(found.checked, StartsWith("bent: b got no gradient"));
}

TEST(Gradcheck, WantsEachGradientAlone) {
  const Verdicts found = verdicts(Rule::Needs);
  EXPECT_THAT(found.inputs, AllOf(StartsWith("bent: gradient of input 2 at [0]: 0 where no other is wanted, "),
                                  HasSubstr(" among the others")));
  EXPECT_THAT(found.captured, StartsWith("bent: gradient of captured 1 (float64 [3] on cpu) at [0]: 0 where no other"));
  EXPECT_THAT(found.checked, StartsWith("bent: in evaluation: gradient of b at [0]: 0 where no other is wanted, "));
}

TEST(Gradcheck, SeesPastAKinkBesideTheInput) {
  // The step of float32 reaches over the kinks at 0; a wrong slope is found all the same.
  const Tensor x = from_values({0.008, -0.012, 0.005, 1}, {4});
  EXPECT_EQ(gradcheck("abs", [](const Tensors& in) { return abs(in[0]); }, {x}), "");
  EXPECT_THAT(gradcheck("abs", [](const Tensors& in) { return product(abs(in[0]), ones({4}), 1.2, 1); }, {x}),
              StartsWith("abs: gradient of input 0 at [0]: analytic "));
}

// A layer with a fault of choice.
struct Layer : Module {
  Tensor weight = register_parameter("weight", from_values({0.5, 1.5, 2}, {3}));
  Tensor unused = register_parameter("unused", ones({2}));
  Tensor calls = register_buffer("calls", zeros({1}));
  enum class Fault { None, Gradient, Unused, State, Threads, Recompute } fault;

  explicit Layer(Fault fault) : fault(fault) {}
  Tensor forward(const Tensor& x) {
    return module_call(*this, [&] {
      if (fault == Fault::State || (fault == Fault::Recompute && training())) {
        const NoGradGuard no_grad;
        ops::add_(calls, ones({1}, {calls.dtype()}));
      }
      Tensor y = product(x, weight, 1, fault == Fault::Gradient ? 0.9 : 1);
      if (fault == Fault::State) y = add(y, detach(calls));
      if (fault != Fault::Unused) y = add(y, sum(unused));
      return sigmoid(y);
    });
  }
};

std::string checked(Layer::Fault fault) {
  Layer layer(fault);
  return check_module("layer", layer, [&](const Tensors& x) { return layer.forward(x[0]); }, {random({4, 3}, 1)});
}

TEST(CheckModule, FindsPlantedFaults) {
  using Fault = Layer::Fault;
  EXPECT_EQ(checked(Fault::None), "");
  EXPECT_THAT(checked(Fault::Gradient), StartsWith("layer: in evaluation: gradient of weight at [0]: analytic "));
  EXPECT_THAT(checked(Fault::Unused),
              HasSubstr("unused got no gradient in training: does it take part in the output?"));
  EXPECT_EQ(checked(Fault::State), "layer: in evaluation, the same call gives other values");
  EXPECT_THAT(checked(Fault::Recompute), HasSubstr("the buffer calls differs: is it updated in both runs?"));
}

TEST(CheckModule, LeavesTheModuleAsItWas) {
  Layer layer(Layer::Fault::None);
  layer.set_training(false);
  set_grad(layer.weight, ones({3}));
  check_module("layer", layer, [&](const Tensors& x) { return layer.forward(x[0]); }, {random({4, 3}, 1)});
  EXPECT_EQ(layer.weight.to_vector(), (std::vector<double>{0.5, 1.5, 2}));
  EXPECT_EQ(layer.weight.dtype(), DType::Float32);
  EXPECT_FALSE(layer.training());
  EXPECT_EQ(grad(layer.weight).to_vector(), (std::vector<double>{1, 1, 1}));
}

TEST(CheckModule, TheLayersPass) {
  Generator generator(2);
  const auto check = [&](const char* name, auto&& layer, const Tensor& x, CheckModuleOptions options = {}) {
    init::reset_parameters(layer, generator);
    EXPECT_EQ(check_module(
                  name, layer, [&](const Tensors& in) { return layer.forward(in[0]); }, {x}, options),
              "");
  };
  check("linear", Linear(4, 3), random({5, 4}, 1));
  check("conv", Conv2d(3, 4, {.kernel = 3, .padding = 1}), random({2, 3, 4, 5}, 1));
  check("conv_transpose", ConvTranspose2d(3, 4, {.kernel = 2, .stride = 2}), random({2, 3, 2, 3}, 1));
  check("batch_norm", BatchNorm(3), random({4, 3, 3, 2}, 1));
  check("layer_norm", LayerNorm({4}), random({3, 4}, 1), {.autocast_tolerance = -1});
  check("group_norm", GroupNorm(2, 4), random({2, 4, 3, 2}, 1));
  check("grouped conv", Conv2d(4, 6, {.kernel = {3, 1}, .padding = {1, 0}, .dilation = {2, 1}, .groups = 2}),
        random({1, 4, 6, 3}, 1));
  check("conv1d", Conv1d(4, 2, {.kernel = 3, .padding = 1, .groups = 2}), random({2, 4, 5}, 1));
  check("conv3d", Conv3d(2, 3, {.kernel = {2, 3, 1}, .padding = {0, 1, 0}}), random({1, 2, 3, 4, 2}, 1));
  check("conv_transpose1d", ConvTranspose1d(2, 4, {.kernel = 3, .stride = 2, .output_padding = 1}),
        random({1, 2, 4}, 1));
  check("conv_transpose3d", ConvTranspose3d(2, 3, {.kernel = 2, .stride = 2}), random({1, 2, 2, 2, 2}, 1));
  check("instance_norm", InstanceNorm(3, 1e-5, true), random({2, 3, 4, 2}, 1));
  check("rms_norm", RMSNorm({4}), random({3, 4}, 1), {.autocast_tolerance = -1});
  check("conv_gru", ConvGRU(2, 3), random({1, 2, 4, 3}, 1));
  TransformerEncoderLayer encoder({.d_model = 4, .nhead = 2, .dim_feedforward = 6, .dropout = 0});
  init::reset_parameters(encoder, generator);
  EXPECT_EQ(check_module("encoder", encoder, [&](const Tensors& in) { return encoder.forward(in[0]); },
                         {random({3, 2, 4}, 1)}, {.autocast_tolerance = -1}),
            "");
  LSTM lstm({.input_size = 3, .hidden_size = 2, .num_layers = 2});
  init::reset_parameters(lstm, generator);
  EXPECT_EQ(check_module("lstm", lstm, [&](const Tensors& in) { return lstm.forward(in[0]).output; },
                         {random({3, 2, 3}, 1)}, {.autocast_tolerance = -1}),
            "");
  Embedding table(5, 3);
  init::reset_parameters(table, generator);
  const Tensor indices = from_values({0, 4, 2, 4, 1, 3}, {2, 3}, {DType::Int64});
  EXPECT_EQ(check_module("embedding", table, [&](const Tensors& in) { return table.forward(in[0]); }, {indices}), "");
}

TEST(MoveTo, ConvertsParametersInPlace) {
  Sequential<Linear> layers;
  layers.emplace(3, 2);
  init::constant(layers[0].weight, 0.25);
  set_grad(layers[0].weight, ones({2, 3}));
  const Tensor handle = layers[0].weight;
  layers.move_to(DType::Float64);
  EXPECT_EQ(handle.dtype(), DType::Float64);
  EXPECT_EQ(grad(handle).dtype(), DType::Float64);
  EXPECT_TRUE(requires_grad(handle));
  EXPECT_EQ(layers.forward(ones({1, 3}, {DType::Float64})).to_vector(), (std::vector<double>{0.75, 0.75}));
  layers.move_to(DType::Float32);
  EXPECT_EQ(layers.forward(ones({1, 3})).to_vector(), (std::vector<double>{0.75, 0.75}));
}

TEST(MoveTo, WhatWasFoldedIsFoldedAgain) {
  Conv2d conv(2, 3, {.kernel = 1, .bias = false});
  BatchNorm bn(3);
  init::constant(conv.weight, 0.5);
  conv.set_frozen(true);
  bn.set_frozen(true);
  const Tensor x = random({1, 2, 2, 2}, 1);
  const auto before = conv_bn_relu(conv, bn, x).to_vector();
  for (Module* module : {static_cast<Module*>(&conv), static_cast<Module*>(&bn)}) module->move_to(DType::Float64);
  const auto wide = conv_bn_relu(conv, bn, ops::to(x, DType::Float64)).to_vector();
  for (size_t i = 0; i < before.size(); ++i) EXPECT_NEAR(wide[i], before[i], 1e-5);
}

TEST(Dropout, DropsItsShareAndRepeats) {
  const Tensor x = ones({100, 100});
  const auto run = [&](uint64_t seed) {
    Dropout layer(0.3, seed);
    layer.forward(x);
    return layer.forward(x).to_vector();
  };
  const auto first = run(1);
  int64_t zeros = 0;
  for (const double v : first) {
    zeros += v == 0;
    EXPECT_TRUE(v == 0 || std::abs(v - 1 / 0.7) < 1e-6);
  }
  EXPECT_NEAR(static_cast<double>(zeros), 3000, 200);
  EXPECT_EQ(run(1), first);
  EXPECT_NE(run(2), first);
  Dropout layer(0.3);
  layer.set_training(false);
  EXPECT_TRUE(layer.forward(x).is_same(x));
  EXPECT_THROW(Dropout(1.0), Error);
}

// The second run of a checkpointed stretch drops what the first dropped, nested ones too.
TEST(Dropout, IsTheSameWhenItIsComputedAgain) {
  const Tensor x = random({20, 20}, 1);
  const auto gradient = [&](int depth) {
    Dropout layer(0.5, 7);
    const Tensor leaf = ops::clone(x);
    set_requires_grad(leaf, true);
    std::function<Tensor(const Tensors&)> f = [&](const Tensors& in) {
      return mul(layer.forward(in[0]), layer.forward(in[0]));
    };
    for (int i = 0; i < depth; ++i) f = [f](const Tensors& in) { return checkpoint(f, in); };
    const Tensor y = f({leaf});
    backward(sum(y));
    return std::pair(y.to_vector(), grad(leaf).to_vector());
  };
  EXPECT_EQ(gradient(1), gradient(0));
  EXPECT_EQ(gradient(2), gradient(0));
}

TEST(LayerNorm, HasPyTorchsNames) {
  LayerNorm norm({3, 4});
  EXPECT_EQ(norm.state_dict()[0].first, "weight");
  EXPECT_EQ(norm.state_dict()[1].second.sizes(), (Shape{3, 4}));
  Embedding table(3, 2, 0);
  const Tensor indices = from_values({0, 1}, {2}, {DType::Int64});
  backward(sum(table.forward(indices)));
  EXPECT_EQ(grad(table.weight).to_vector(), (std::vector<double>{0, 0, 1, 1, 0, 0}));
}

}  // namespace
}  // namespace bevgrad
