// Hooks that tell when a leaf's gradient is complete, and the order in which that happens.
#include "autograd/gradient_hook.h"

#include <gtest/gtest.h>

#include "autograd/functions.h"
#include "base/error.h"

namespace bevgrad {
namespace {

Tensor leaf(double value) {
  const Tensor tensor = full({2}, value);
  set_requires_grad(tensor, true);
  return tensor;
}

TEST(GradientHook, IsCalledOnceWhenAllUsesHaveGivenTheirPart) {
  const Tensor a = leaf(2), b = leaf(3);
  std::vector<std::string> calls;
  set_gradient_hook(a, [&](const Tensor& gradient) {
    calls.push_back("a");
    EXPECT_EQ(gradient.to_vector(), (std::vector<double>{4 + 3, 4 + 3}));  // d(a^2 + ab)/da, both uses
  });
  set_gradient_hook(b, [&](const Tensor&) { calls.push_back("b"); });
  const Tensor early = mul(a, a);  // recorded first, so its gradient comes last
  const Tensor loss = sum(add(early, mul(a, b)));
  const CompletionOrder order = completion_order(loss, {a, b, leaf(1)});
  EXPECT_EQ(order.unreached, 1u);
  EXPECT_EQ(order.order, (std::vector<size_t>{2, 1, 0}));
  backward(loss);
  EXPECT_EQ(calls, (std::vector<std::string>{"b", "a"}));
}

TEST(GradientHook, SeesWhatEarlierPassesLeft) {
  const Tensor a = leaf(1);
  backward(sum(mul(a, 5.0)));
  int calls = 0;
  set_gradient_hook(a, [&](const Tensor& gradient) {
    ++calls;
    EXPECT_EQ(gradient.to_vector()[0], 12);
  });
  backward(sum(mul(a, 7.0)));
  set_gradient_hook(a, nullptr);
  backward(sum(mul(a, 7.0)));
  EXPECT_EQ(calls, 1);
}

TEST(GradientHook, OnlyLeavesHaveOne) {
  const Tensor product = mul(leaf(1), leaf(2));
  EXPECT_THROW(set_gradient_hook(product, [](const Tensor&) {}), Error);
}

}  // namespace
}  // namespace bevgrad
