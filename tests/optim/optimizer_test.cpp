// What all optimizers share, and AdamW against its definition in float64 where the golden run does not reach: every
// option set, a scaled matrix that decays, and a parameter that joins later.
#include "optim/optimizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "autograd/autograd.h"
#include "autograd/functions.h"
#include "optim/adamw.h"
#include "optim/clip_grad_norm.h"
#include "optim/sgd.h"
#include "optim/weight_average.h"
#include "support/error_of.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

using testing::error_of;
using ::testing::HasSubstr;

/// AdamW as the paper writes it, for one parameter.
struct Reference {
  AdamWOptions options;
  double lr = 0;
  bool decays = true;
  std::vector<double> value, m, v;
  int t = 0;

  void step(const std::vector<double>& gradient) {
    m.resize(value.size()), v.resize(value.size());
    ++t;
    for (size_t i = 0; i < value.size(); ++i) {
      m[i] = options.beta1 * m[i] + (1 - options.beta1) * gradient[i];
      v[i] = options.beta2 * v[i] + (1 - options.beta2) * gradient[i] * gradient[i];
      const double mean = m[i] / (1 - std::pow(options.beta1, t)), square = v[i] / (1 - std::pow(options.beta2, t));
      value[i] -= lr * (mean / (std::sqrt(square) + options.eps) + (decays ? options.weight_decay * value[i] : 0));
    }
  }
};

std::vector<double> gradient_of(int step, size_t count, double scale) {
  std::vector<double> values;
  for (size_t i = 0; i < count; ++i) values.push_back(scale * std::sin(1.3 * static_cast<double>(i) + 0.7 * step));
  return values;
}

Tensor parameter(const std::vector<double>& values, const Shape& sizes) {
  const Tensor tensor = from_values(values, sizes);
  set_requires_grad(tensor, true);
  return tensor;
}

TEST(AdamW, IsItsDefinitionForEveryOptionAndWhateverJoinsLater) {
  const AdamWOptions options{.beta1 = 0.8, .beta2 = 0.95, .eps = 0.05, .weight_decay = 0.3};
  const double lr = 0.05;
  const std::vector<double> start = {1, -2, 3, 0.5, -0.25, 4};
  const std::vector<std::pair<std::string, double>> scales = {{"neck", 0.1}, {"head", 2.0}};
  const Tensor matrix = parameter(start, {2, 3}), late = parameter(start, {3, 2}), bias = parameter(start, {6});
  Reference of_matrix{options, 0.1 * lr, true, start, {}, {}}, of_late{options, 2 * lr, true, start, {}, {}},
      of_bias{options, 0.1 * lr, false, start, {}, {}};
  AdamW optimizer(options);
  StateDict trained = {{"neck.weight", matrix}, {"neck.bias", bias}};
  optimizer.set_parameters(optimized_parameters(trained, scales));
  for (int step = 0; step < 8; ++step) {
    if (step == 3) {
      trained.emplace_back("head.weight", late);
      optimizer.set_parameters(optimized_parameters(trained, scales));
    }
    const auto of = [&](double scale) { return gradient_of(step, 6, scale); };
    set_grad(matrix, from_values(of(1), {2, 3}));
    set_grad(bias, from_values(of(2), {6}));
    if (step >= 3) set_grad(late, from_values(of(0.5), {3, 2}));
    optimizer.step(lr);
    of_matrix.step(of(1)), of_bias.step(of(2));
    if (step >= 3) of_late.step(of(0.5));
    for (size_t i = 0; i < 6; ++i) {
      ASSERT_NEAR(matrix.to_vector()[i], of_matrix.value[i], 2e-6) << step;
      ASSERT_NEAR(bias.to_vector()[i], of_bias.value[i], 2e-6) << step;
      ASSERT_NEAR(late.to_vector()[i], of_late.value[i], 2e-6) << step;
    }
  }
  const auto state = optimizer.state();
  for (const auto& [name, step] : state.at("step")) EXPECT_EQ(step.item(), name == "head.weight" ? 5 : 8);
}

double number(const Optimizer& optimizer, const std::string& name) {
  for (const auto& [known, value] : optimizer.hyperparameters())
    if (known == name) return std::get<double>(value);
  ADD_FAILURE() << name;
  return 0;
}

TEST(Hyperparameters, AreTheOptions) {
  const AdamW adamw({.beta1 = 0.7, .beta2 = 0.8, .eps = 1e-3, .weight_decay = 0.25});
  EXPECT_EQ(number(adamw, "eps"), 1e-3);
  EXPECT_EQ(number(adamw, "weight_decay"), 0.25);
  EXPECT_EQ(std::get<std::vector<double>>(adamw.hyperparameters()[0].second), (std::vector<double>{0.7, 0.8}));
  const Sgd sgd({.momentum = 0.6, .dampening = 0, .weight_decay = 0.125, .nesterov = true});
  EXPECT_EQ(number(sgd, "momentum"), 0.6);
  EXPECT_EQ(number(sgd, "dampening"), 0);
  EXPECT_EQ(number(Sgd({.momentum = 0.6, .dampening = 0.5}), "dampening"), 0.5);
  EXPECT_EQ(number(sgd, "weight_decay"), 0.125);
  EXPECT_TRUE(std::get<bool>(sgd.hyperparameters()[3].second));
  EXPECT_EQ(sgd.hyperparameters()[3].first, "nesterov");
}

TEST(OptimizedParameters, TakeTheLongestPrefixWhereverItStands) {
  const Tensor matrix = zeros({2, 2}), vector = zeros({2}), number = zeros({});
  const StateDict state = {
      {"stage1_neck.w", matrix}, {"stage1.w", matrix}, {"my_stage1.w", matrix}, {"v", vector}, {"s", number}};
  for (const bool is_long_first : {false, true}) {
    std::vector<std::pair<std::string, double>> scales = {{"stage1", 0.1}, {"stage1_neck", 0.5}};
    if (is_long_first) std::swap(scales[0], scales[1]);
    const auto parameters = optimized_parameters(state, scales);
    std::vector<double> got;
    std::vector<bool> decays;
    for (const OptimizedParameter& one : parameters) got.push_back(one.lr_scale), decays.push_back(one.decays);
    EXPECT_EQ(got, (std::vector<double>{0.5, 0.1, 1, 1, 1}));
    EXPECT_EQ(decays, (std::vector<bool>{true, true, true, false, false}));
  }
}

TEST(Optimizer, AStepIsSeenByWhoeverKeepsCopiesOfAParameter) {
  for (const bool is_adamw : {true, false}) {
    const Tensor weight = parameter({1, 2}, {2});
    std::unique_ptr<Optimizer> optimizer;
    if (is_adamw)
      optimizer = std::make_unique<AdamW>();
    else
      optimizer = std::make_unique<Sgd>(SgdOptions{});
    optimizer->set_parameters(optimized_parameters({{"w", weight}}, {}));
    set_grad(weight, ones({2}));
    const uint64_t before = weight.storage()->version;
    optimizer->step(0.1);
    EXPECT_GT(weight.storage()->version, before);
  }
}

TEST(Optimizer, CountsTheBytesOfAllItsState) {
  const Tensor a = parameter({1, 2}, {2}), b = parameter({1, 2, 3}, {3});
  AdamW optimizer;
  optimizer.set_parameters(optimized_parameters({{"a", a}, {"b", b}}, {}));
  EXPECT_EQ(optimizer.state_bytes(), 0u);
  for (const Tensor& one : {a, b}) set_grad(one, ones(one.sizes()));
  optimizer.step(0.1);
  EXPECT_EQ(optimizer.state_bytes(), 2 * 5 * sizeof(float));
}

TEST(Optimizer, RefusesParametersThatItCannotMove) {
  AdamW optimizer;
  const Tensor weight = ones({2, 3});
  EXPECT_THAT(error_of([&] {
                optimizer.set_parameters({{"w", ops::to(weight, DType::Float64)}});
              }),
              HasSubstr("w is float64, expected float32"));
  EXPECT_THAT(error_of([&] { optimizer.set_parameters({{"w", weight}, {"w", weight}}); }), HasSubstr("there twice"));
  EXPECT_THAT(error_of([&] {
                optimizer.set_parameters({{"w", ops::transpose(weight, 0, 1)}});
              }),
              HasSubstr("w is not dense"));
}

TEST(ClipGradNorm, ScalesToTheLimitAndLeavesAllWhereThereIsNone) {
  const Tensor a = parameter({0, 0}, {2}), b = parameter({0}, {1});
  const std::vector<OptimizedParameter> parameters = optimized_parameters({{"a", a}, {"b", b}}, {});
  const auto gradients = [&](double limit) {
    set_grad(a, from_values({3, 0}, {2}));
    set_grad(b, from_values({-4}, {1}));
    EXPECT_DOUBLE_EQ(clip_grad_norm(parameters, limit), 5);
    return std::vector<double>{grad(a).to_vector()[0], grad(b).to_vector()[0]};
  };
  EXPECT_EQ(gradients(0), (std::vector<double>{3, -4}));
  EXPECT_EQ(gradients(5.001), (std::vector<double>{3, -4}));
  const std::vector<double> scaled = gradients(2.5);
  EXPECT_NEAR(scaled[0], 1.5, 1e-5);
  EXPECT_NEAR(scaled[1], -2, 1e-5);
  set_grad(b, from_values({HUGE_VAL}, {1}));
  set_grad(a, from_values({3, 0}, {2}));
  EXPECT_TRUE(std::isinf(clip_grad_norm(parameters, 1)));
  EXPECT_EQ(grad(a).to_vector()[0], 3) << "nothing is scaled to nothing";
}

TEST(WeightAverage, CountsItsUpdatesAndTakesThemOver) {
  const Tensor weight = from_values({1.0}, {1});
  WeightAverage average(0.9);
  for (int i = 1; i <= 5; ++i) {
    average.update({{"w", weight}});
    EXPECT_EQ(average.updates(), i);
  }
  WeightAverage other(0.9);
  other.load(average.values(), 70, {{"w", weight}}, "file");
  EXPECT_EQ(other.updates(), 70);
  EXPECT_THROW(other.load({{"w", full({1}, 1, {DType::Float64})}}, 1, {{"w", weight}}, "file"), Error);
  EXPECT_THROW(other.update({{"w", weight}, {"v", weight}}), Error);
}

TEST(Optimizers, AParameterWithoutAGradientStaysAndHasNoState) {
  const Tensor with = parameter({1, 2}, {2}), without = parameter({3}, {1});
  for (const double momentum : {0.0, 0.9}) {
    Sgd optimizer(SgdOptions{.momentum = momentum, .weight_decay = 0.1});
    optimizer.set_parameters(optimized_parameters({{"with", with}, {"without", without}}, {}));
    set_grad(with, ones({2}));
    optimizer.step(0.1);
    EXPECT_EQ(without.to_vector(), (std::vector<double>{3}));
    EXPECT_EQ(optimizer.state().size(), momentum == 0 ? 0u : 1u);
  }
}

TEST(Optimizers, AStepBeforeTheBackwardPassIsAnError) {
  const Tensor value = parameter({1, 2}, {2});
  AdamW adamw;
  Sgd sgd{SgdOptions{}};
  for (Optimizer* optimizer : {static_cast<Optimizer*>(&adamw), static_cast<Optimizer*>(&sgd)}) {
    optimizer->set_parameters(optimized_parameters({{"w", value}}, {}));
    const Tensor loss = sum(mul(value, value));  // keeps the value for its gradient
    set_grad(value, ones({2}));
    optimizer->step(0.1);
    EXPECT_THAT(error_of([&] { backward(loss); }), HasSubstr("mul"));
  }
}

}  // namespace
}  // namespace bevgrad
