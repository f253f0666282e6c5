#include "nn/recomputable.h"

#include <gtest/gtest.h>

#include "autograd/functions.h"
#include "nn/init.h"
#include "nn/linear.h"

namespace bevgrad {
namespace {

TEST(Recomputable, RunsAgainWhereThePlanSaysSoAndKeepsEveryBit) {
  Generator generator(3);
  Linear chosen(4, 4), other(4, 4);
  init::reset_parameters(chosen, generator);
  init::reset_parameters(other, generator);
  const Tensor x = generator.normal({5, 4});
  set_requires_grad(x, true);
  int runs = 0;
  const auto gradient = [&](const Module& owner) {
    runs = 0;
    const auto body = [&](const std::vector<Tensor>& in) {
      ++runs;
      return tanh(chosen.forward(in[0]));
    };
    set_grad(x, {});
    set_grad(chosen.named_parameters()[0].second, {});
    backward(sum(recomputable(owner, {x}, body, {&chosen})));
    std::vector<double> found = grad(x).to_vector();
    for (double value : grad(chosen.named_parameters()[0].second).to_vector()) found.push_back(value);
    return found;
  };
  const std::vector<double> plain = gradient(chosen);
  EXPECT_EQ(runs, 1);
  const RecomputePlan plan{.recomputes = [&](const Module& owner) { return &owner == &chosen; }};
  const RecomputeGuard guard(&plan);
  EXPECT_EQ(gradient(chosen), plain);
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(gradient(other), plain);
  EXPECT_EQ(runs, 1);
}

}  // namespace
}  // namespace bevgrad
