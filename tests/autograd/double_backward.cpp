#include "autograd/double_backward.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "autograd/autocast.h"
#include "autograd/checkpoint.h"
#include "autograd/functions.h"
#include "autograd/functions/operators.h"
#include "autograd/grad.h"
#include "autograd/gradcheck.h"
#include "support/error_of.h"

namespace bevgrad {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;

const autograd::GradOptions kCreateGraph{.create_graph = true};

Tensor leaf(const std::vector<double>& values) {
  const Tensor x = from_values(values, {static_cast<int64_t>(values.size())}, {DType::Float64});
  set_requires_grad(x, true);
  return x;
}

TEST(DoubleBackward, OfThePowersOfANumber) {
  const Tensor x = leaf({2});
  Tensor y = sum(x * x * x * x);
  std::vector<double> derivatives;
  for (int order = 0; order < 4; ++order) {
    y = sum(autograd::grad({y}, {x}, kCreateGraph)[0]);
    derivatives.push_back(detach(y).item());
  }
  EXPECT_THAT(derivatives, ElementsAre(32, 48, 48, 24));
}

TEST(DoubleBackward, OfAGradientPenaltyReachesTheWeights) {
  Generator generator(5);
  const TensorOptions wide{DType::Float64};
  const auto penalty = [](const std::vector<Tensor>& in) {
    const GradModeGuard recorded(true);
    Tensor x = in[0];
    if (!requires_grad(x)) {
      x = detach(x);
      set_requires_grad(x, true);
    }
    const Tensor features = leaky_relu(conv2d(x, in[1], in[2], {.stride = 2, .padding = 1}));
    const Tensor score = linear(reshape(layer_norm(features, {3, 3}), {2, 36}), in[3]);
    const Tensor gradient = autograd::grad({sum(score)}, {x}, kCreateGraph)[0];
    const Tensor off = norm(reshape(gradient, {2, 72}), 2, {1}) - 1.0;
    return mean(off * off) + 0.0 * sum(in[2]);
  };
  EXPECT_EQ(gradcheck("penalty", penalty,
                      {generator.normal({2, 2, 6, 6}, 0, 1, wide), generator.normal({4, 2, 3, 3}, 0, 1, wide),
                       generator.normal({4}, 0, 1, wide), generator.normal({1, 36}, 0, 1, wide)}),
            "");
}

TEST(DoubleBackward, HessianTimesAVector) {
  const Tensor x = leaf({0.3, -0.7, 1.1});
  const Tensor y = sum(exp(x) * sin(x)) + prod(x);
  const Tensor gradient = autograd::grad({y}, {x}, kCreateGraph)[0];
  const Tensor v = from_values({1.0, 2.0, -1.0}, {3}, {DType::Float64});
  const std::vector<double> product = autograd::grad({sum(gradient * v)}, {x})[0].to_vector();
  const std::vector<double> at = {0.3, -0.7, 1.1}, direction = {1, 2, -1};
  for (int i = 0; i < 3; ++i) {
    double expected = 2 * std::exp(at[i]) * std::cos(at[i]) * direction[i];
    for (int k = 0; k < 3; ++k)
      if (k != i) expected += at[3 - i - k] * direction[k];
    EXPECT_NEAR(product[i], expected, 1e-12);
  }
}

TEST(DoubleBackward, LeavesGradientsAndTheTapeAsTheyWere) {
  const Tensor x = leaf({1, 2});
  const Tensor y = sum(x * x * x);
  const Tensor first = autograd::grad({y}, {x}, kCreateGraph)[0];
  EXPECT_FALSE(grad(x).defined());
  backward(sum(first), {}, true);
  EXPECT_THAT(grad(x).to_vector(), ElementsAre(6, 12));
  set_grad(x, {});
  backward(y);
  EXPECT_THAT(grad(x).to_vector(), ElementsAre(3, 12));
}

TEST(DoubleBackward, FollowsPartsThatMeetAgain) {
  const Tensor x = leaf({1, 2, 3, 4});
  const Tensor parts = narrow(x, 0, 0, 2) * narrow(x, 0, 2, 2) + select(x, 0, 3);
  const Tensor gradient = autograd::grad({sum(parts * parts)}, {x}, kCreateGraph)[0];
  const Tensor second = autograd::grad({sum(gradient * gradient)}, {x})[0];
  EXPECT_EQ(gradcheck("met",
                      [](const std::vector<Tensor>& in) {
                        const GradModeGuard recorded(true);
                        const Tensor parts = narrow(in[0], 0, 0, 2) * narrow(in[0], 0, 2, 2) + select(in[0], 0, 3);
                        const Tensor gradient = autograd::grad({sum(parts * parts)}, {in[0]}, kCreateGraph)[0];
                        return sum(gradient * gradient);
                      },
                      {x}),
            "");
  EXPECT_EQ(second.sizes(), x.sizes());
}

TEST(DoubleBackward, NamesWhatHasNone) {
  const Tensor x = zeros({1, 1, 4, 4});
  set_requires_grad(x, true);
  EXPECT_THAT(error_of([&] { autograd::grad({sum(max_pool2d(x, {.kernel = 2}))}, {x}, kCreateGraph); }),
              HasSubstr("autograd::grad: create_graph: max_pool2d has no double backward"));
  EXPECT_THAT(error_of([&] {
                autograd::grad({sum(checkpoint([](const std::vector<Tensor>& in) { return in[0] * in[0]; }, {x}))}, {x},
                               kCreateGraph);
              }),
              HasSubstr("has no double backward"));
}

// A rule that says that it can be recorded and is not.
TEST(DoubleBackward, FindsARuleThatLeavesTheTape) {
  const Tensor x = leaf({1, 2});
  const auto cut = [](const Tensor& x) {
    const OpScope scope("cut");
    return record("cut", ops::mul(x, x), {x}, twice([x_ = Saved(x)](const Tensor& dy, const NeedsGrad&) {
                    return Grads{ops::mul(ops::mul(dy, x_.get()), 2.0)};
                  }));
  };
  EXPECT_THAT(error_of([&] { autograd::grad({sum(cut(x) * x)}, {x}, kCreateGraph); }),
              HasSubstr("requires a gradient, and ops:: is not recorded"));
}

TEST(DoubleBackward, SaysWhereAutocastIsInTheWay) {
  const Tensor x = zeros({2, 3}), w = ones({2, 3});
  set_requires_grad(x, true);
  set_requires_grad(w, true);
  const Tensor y = [&] {
    const AutocastGuard bfloat16(DType::BFloat16);
    return linear(x, w);
  }();
  EXPECT_THAT(error_of([&] {
                autograd::grad({sum(to(y, DType::Float32))}, {x, w}, kCreateGraph);
              }),
              HasSubstr("double backward of linear: autocast computed it in bfloat16"));
}

}  // namespace
}  // namespace bevgrad
