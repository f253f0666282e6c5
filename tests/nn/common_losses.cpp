// Each loss is its definition, written out in plain numbers, and its gradients are its slopes.
#include "nn/common_losses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "autograd/functions/pointwise.h"
#include "autograd/functions/reduce.h"
#include "autograd/gradcheck.h"
#include "tensor/random.h"

namespace bevgrad {
namespace {

using ::testing::HasSubstr;
using Values = std::vector<double>;

Tensor random(const Shape& sizes, uint64_t seed, double low = -2, double high = 2) {
  return Generator(seed).uniform(sizes, low, high, {DType::Float64});
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

using Loss = std::function<Tensor(const Tensor& x, const Tensor& t, Reduction reduction)>;

// An element-wise loss against a function of two numbers, in every reduction, and its gradients.
void expect_elementwise(const Loss& loss, double (*f)(double, double), const Tensor& x, const Tensor& t) {
  const Values a = x.to_vector(), b = t.to_vector();
  double total = 0;
  const Values each = loss(x, t, Reduction::None).to_vector();
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_NEAR(each[i], f(a[i], b[i]), 1e-12) << i;
    total += f(a[i], b[i]);
  }
  EXPECT_NEAR(loss(x, t, Reduction::Sum).item(), total, 1e-10);
  EXPECT_NEAR(loss(x, t, Reduction::Mean).item(), total / static_cast<double>(a.size()), 1e-12);
  EXPECT_EQ(
      gradcheck("loss", [&](const std::vector<Tensor>& in) { return loss(in[0], in[1], Reduction::Mean); }, {x, t}),
      "");
  EXPECT_THAT(error_of([&] { loss(x, zeros({1}), Reduction::Mean); }), HasSubstr("expected the same"));
  EXPECT_THAT(error_of([&] { loss(x, Tensor(), Reduction::Mean); }), HasSubstr("targets is undefined"));
}

TEST(CommonLosses, OfElements) {
  const Tensor x = random({3, 4}, 1), t = random({3, 4}, 2), p = random({3, 4}, 3, 0.1, 0.9),
               q = random({3, 4}, 4, 0.1, 0.9);
  expect_elementwise(
      mse_loss, [](double a, double b) { return (a - b) * (a - b); }, x, t);
  expect_elementwise(
      l1_loss, [](double a, double b) { return std::abs(a - b); }, x, t);
  expect_elementwise([](auto& a, auto& b, Reduction r) { return smooth_l1_loss(a, b, 0.5, r); },
                     [](double a, double b) {
                       const double d = std::abs(a - b);
                       return d < 0.5 ? d * d : d - 0.25;
                     },
                     x, t);
  expect_elementwise([](auto& a, auto& b, Reduction r) { return huber_loss(a, b, 0.7, r); },
                     [](double a, double b) {
                       const double d = std::abs(a - b);
                       return d < 0.7 ? d * d / 2 : 0.7 * (d - 0.35);
                     },
                     x, t);
  expect_elementwise(
      binary_cross_entropy, [](double a, double b) { return -b * std::log(a) - (1 - b) * std::log(1 - a); }, p, q);
  expect_elementwise([](auto& a, auto& b, Reduction r) { return binary_cross_entropy_with_logits(a, b, {}, r); },
                     [](double a, double b) {
                       const double s = 1 / (1 + std::exp(-a));
                       return -b * std::log(s) - (1 - b) * std::log(1 - s);
                     },
                     x, q);
  expect_elementwise(
      kl_div, [](double a, double b) { return b * (std::log(b) - a); }, x, q);
}

TEST(CommonLosses, EdgesAreFinite) {
  const Tensor p = from_values({0, 1, 0, 1}, {4}), t = from_values({0, 1, 1, 0}, {4});
  set_requires_grad(p, true);
  const Tensor losses = binary_cross_entropy(p, t, Reduction::None);
  EXPECT_THAT(losses.to_vector(), ::testing::ElementsAre(0, 0, 100, 100));
  backward(sum(losses));
  EXPECT_TRUE(ops::all_finite(grad(p)));
  const Tensor x = from_values({1000, -1000}, {2});
  EXPECT_THAT(binary_cross_entropy_with_logits(x, from_values({0, 1}, {2}), {}, Reduction::None).to_vector(),
              ::testing::ElementsAre(1000, 1000));
  EXPECT_EQ(kl_div(from_values({-3, -1}, {2}), from_values({0, 0}, {2})).item(), 0);
  EXPECT_EQ(smooth_l1_loss(x, zeros({2}), 0).item(), 1000);
}

TEST(CommonLosses, PositiveWeights) {
  const Tensor x = random({2, 3}, 1), t = random({2, 3}, 2, 0, 1), w = from_values({1, 2, 3}, {3}, {DType::Float64});
  const Values a = x.to_vector(), b = t.to_vector(),
               each = binary_cross_entropy_with_logits(x, t, w, Reduction::None).to_vector();
  for (size_t i = 0; i < a.size(); ++i) {
    const double s = 1 / (1 + std::exp(-a[i]));
    EXPECT_NEAR(each[i], -static_cast<double>(1 + i % 3) * b[i] * std::log(s) - (1 - b[i]) * std::log(1 - s), 1e-12);
  }
}

// Cross-entropy of [3,4,2] by its definition.
double expected_cross_entropy(const Values& x, const Values& targets, const Values& weights, double smoothing,
                              bool mean) {
  double total = 0, divisor = 0;
  for (int64_t n = 0; n < 3; ++n)
    for (int64_t place = 0; place < 2; ++place) {
      const double target = targets[n * 2 + place];
      if (target < 0) continue;
      double sum = 0;
      for (int64_t c = 0; c < 4; ++c) sum += std::exp(x[(n * 4 + c) * 2 + place]);
      for (int64_t c = 0; c < 4; ++c) {
        const double share = (c == static_cast<int64_t>(target) ? 1 - smoothing : 0) + smoothing / 4;
        total -= weights[c] * share * (x[(n * 4 + c) * 2 + place] - std::log(sum));
      }
      divisor += weights[static_cast<size_t>(target)];
    }
  return mean ? total / divisor : total;
}

TEST(CommonLosses, CrossEntropy) {
  const Tensor x = random({3, 4, 2}, 1);
  const Values labels = {0, 3, -100, 1, 2, 2}, weights = {1, 0.5, 2, 3};
  const Tensor targets = from_values(labels, {3, 2}, {DType::Int64});
  const Tensor weight = from_values(weights, {4}, {DType::Float64});
  for (const double smoothing : {0.0, 0.2})
    for (const bool weighted : {false, true})
      for (const Reduction reduction : {Reduction::Mean, Reduction::Sum}) {
        const ClassLossOptions options{
            .weight = weighted ? weight : Tensor(), .label_smoothing = smoothing, .reduction = reduction};
        EXPECT_NEAR(cross_entropy(x, targets, options).item(),
                    expected_cross_entropy(x.to_vector(), labels, weighted ? weights : Values{1, 1, 1, 1}, smoothing,
                                           reduction == Reduction::Mean),
                    1e-12);
        EXPECT_EQ(gradcheck("cross_entropy",
                            [&](const std::vector<Tensor>& in) { return cross_entropy(in[0], targets, options); }, {x}),
                  "");
      }
  EXPECT_EQ(cross_entropy(x, targets, {.reduction = Reduction::None}).sizes(), (Shape{3, 2}));
  EXPECT_EQ(cross_entropy(x, targets, {.reduction = Reduction::None}).to_vector()[2], 0);
  // Probabilities as targets: of one class they are that class.
  const Tensor one_class = from_values({0, 0, 1, 0}, {1, 4}, {DType::Float64}), logits = random({1, 4}, 9);
  EXPECT_NEAR(cross_entropy(logits, one_class).item(),
              cross_entropy(logits, from_values({2}, {1}, {DType::Int64})).item(), 1e-12);
  EXPECT_NEAR(cross_entropy(ops::select(logits, 0, 0), scalar(2, {DType::Int64})).item(),
              cross_entropy(logits, one_class).item(), 1e-12);
  EXPECT_THAT(error_of([&] {
                cross_entropy(x, from_values({0, 4, 0, 0, 0, 0}, {3, 2}, {DType::Int64}));
              }),
              HasSubstr("nll_loss: target 1 is 4, expected 0 to 3 or -100 (ignored)"));
  EXPECT_THAT(error_of([&] { cross_entropy(x, zeros({3, 2})); }), HasSubstr("expected int64 [3,2]"));
}

}  // namespace
}  // namespace bevgrad
