// autograd::grad and passes that keep the tape.
#include "autograd/grad.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "autograd/functions.h"
#include "support/error_of.h"

namespace bevgrad {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;

Tensor leaf(std::initializer_list<double> values) {
  const Tensor x = from_values(values, {static_cast<int64_t>(values.size())});
  set_requires_grad(x, true);
  return x;
}

TEST(Grad, GivesValuesAndLeavesLeavesAlone) {
  const Tensor x = leaf({1, 2}), w = leaf({3, 4});
  set_grad(w, ones({2}));
  const Tensor h = mul(x, w), y = mul(h, h);
  const Grads grads = autograd::grad({sum(y)}, {x, h, w});
  EXPECT_THAT(grads[0].to_vector(), ElementsAre(18, 64));  // 2 x w^2
  EXPECT_THAT(grads[1].to_vector(), ElementsAre(6, 16));   // 2 h
  EXPECT_THAT(grads[2].to_vector(), ElementsAre(6, 32));   // 2 x^2 w
  EXPECT_FALSE(grad(x).defined());
  EXPECT_THAT(grad(w).to_vector(), ElementsAre(1, 1));
}

TEST(Grad, TakesSeveralOutputsWithWeights) {
  const Tensor x = leaf({1, 2});
  const Tensor h = mul(x, 3.0);
  const Tensor a = mul(h, h), b = add(h, 1.0);
  const Grads grads =
      autograd::grad({a, b, h}, {h, x}, {.grad_outputs = {ones({2}), full({2}, 10.0), full({2}, 100.0)}});
  EXPECT_THAT(grads[0].to_vector(), ElementsAre(116, 122));
  EXPECT_THAT(grads[1].to_vector(), ElementsAre(348, 366));
}

TEST(Grad, PassesByWhatIsNotAskedFor) {
  const Tensor x = leaf({1, 2}), w = leaf({3, 4});
  // A rule that must not run: nothing that is asked for lies below it.
  const auto bad = [](const Tensor&, const NeedsGrad&) -> Grads { fail("the rule ran"); };
  const Tensor h = record("bad", ops::mul(detach(w), 2.0), {w}, bad);
  EXPECT_THAT(autograd::grad({sum(mul(x, h))}, {x})[0].to_vector(), ElementsAre(6, 8));
}

TEST(Grad, ViewsCollectTheirParts) {
  const Tensor x = leaf({1, 2, 3, 4});
  const Tensor h = mul(x, 2.0);
  const Tensor y = add(mul(narrow(h, 0, 0, 2), 10.0), narrow(h, 0, 1, 2));
  EXPECT_THAT(autograd::grad({sum(y)}, {h})[0].to_vector(), ElementsAre(10, 11, 1, 0));
  const Tensor z = add(mul(narrow(x, 0, 0, 2), 10.0), narrow(x, 0, 1, 2));
  EXPECT_THAT(autograd::grad({sum(z)}, {x})[0].to_vector(), ElementsAre(10, 11, 1, 0));
  EXPECT_FALSE(grad(x).defined());
}

TEST(Grad, AgreesWithBackwardOnANetwork) {
  Generator generator(1);
  std::vector<Tensor> leaves;
  for (const Shape& sizes : {Shape{2, 3, 5, 5}, Shape{4, 3, 3, 3}, Shape{4}}) {
    leaves.push_back(generator.normal(sizes));
    set_requires_grad(leaves.back(), true);
  }
  const auto loss = [&] { return sum(gelu(conv2d(leaves[0], leaves[1], leaves[2]))); };
  const Grads grads = autograd::grad({loss()}, leaves);
  backward(loss());
  for (size_t i = 0; i < leaves.size(); ++i) EXPECT_EQ(grads[i].to_vector(), grad(leaves[i]).to_vector());
}

TEST(Grad, SaysWhatIsWrong) {
  const Tensor x = leaf({1, 2}), other = leaf({1, 2});
  EXPECT_THAT(error_of([&] { autograd::grad({sum(x)}, {other}); }),
              HasSubstr("autograd::grad: no output depends on input 0 (float32 [2] on cpu)"));
  EXPECT_FALSE(autograd::grad({sum(x)}, {other}, {.allow_unused = true})[0].defined());
  EXPECT_THAT(error_of([&] { autograd::grad({sum(x)}, {ones({2})}); }),
              HasSubstr("input 0 does not require a gradient"));
  EXPECT_THAT(error_of([&] { autograd::grad({x}, {x}); }), HasSubstr("is no scalar, give its gradient"));
  const Tensor gradient = autograd::grad({sum(mul(x, x))}, {x})[0];
  EXPECT_THAT(error_of([&] { backward(sum(gradient)); }), HasSubstr("where it was computed with create_graph"));
}

TEST(RetainGraph, GoesBackTwice) {
  const Tensor x = leaf({1, 2});
  const Tensor trunk = mul(x, x), a = sum(trunk), b = sum(mul(narrow(trunk, 0, 0, 1), 5.0));
  backward(a, {}, true);
  EXPECT_THAT(grad(x).to_vector(), ElementsAre(2, 4));
  backward(b, {}, true);
  EXPECT_THAT(grad(x).to_vector(), ElementsAre(12, 4));
  backward(a);
  EXPECT_THAT(grad(x).to_vector(), ElementsAre(14, 8));
  EXPECT_THAT(error_of([&] { backward(a); }), HasSubstr("pass retain_graph"));
  const Tensor y = sum(mul(x, x));
  const autograd::GradOptions keep{.retain_graph = true};
  autograd::grad({y}, {x}, keep);
  EXPECT_THAT(autograd::grad({y}, {x})[0].to_vector(), ElementsAre(2, 4));
}

}  // namespace
}  // namespace bevgrad
