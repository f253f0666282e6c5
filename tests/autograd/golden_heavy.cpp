// The heavy functions against PyTorch (tests/golden/autograd/make_heavy.py).
#include <gtest/gtest.h>

#include "autograd/functions.h"
#include "support/devices.h"
#include "support/golden.h"

namespace bevgrad::testing {
namespace {

using Tensors = std::vector<Tensor>;

struct Input {
  std::string name;
  Shape sizes;
};

class HeavyGolden : public ::testing::Test {
 protected:
  // Runs `function` on the case's inputs, on every device, and compares its result and the inputs' gradients.
  void check_case(const std::string& name, const std::vector<Input>& inputs,
                  const std::function<Tensor(const Tensors&)>& function) {
    for (const Device device : test_devices()) {
      SCOPED_TRACE(to_string(device));
      Tensors leaves;
      for (const Input& input : inputs) {
        leaves.push_back(ops::to(golden_tensor(name + "." + input.name, input.sizes), device));
        set_requires_grad(leaves.back(), true);
      }
      const Tensor y = function(leaves);
      EXPECT_LT(relative_error(y, golden_[name + ".y"]), 2e-6) << name;
      backward(y, ops::to(golden_tensor(name + ".dy", y.sizes()), device));
      for (size_t i = 0; i < inputs.size(); ++i)
        EXPECT_LT(relative_error(grad(leaves[i]), golden_[name + ".d" + inputs[i].name]), 5e-6)
            << name << ", gradient of " << inputs[i].name;
    }
  }

  std::map<std::string, Tensor> golden_ = load_golden("autograd/heavy.golden");
};

TEST_F(HeavyGolden, Convolutions) {
  check_case("conv", {{"x", {2, 5, 9, 8}}, {"weight", {6, 5, 3, 3}}, {"bias", {6}}}, [](const Tensors& t) {
    return conv2d(t[0], t[1], t[2], {2, 1});
  });
  check_case("stem", {{"x", {1, 3, 12, 13}}, {"weight", {8, 3, 7, 7}}}, [](const Tensors& t) {
    return conv2d(t[0], t[1], {}, {2, 3});
  });
  check_case("conv_transpose", {{"x", {2, 4, 3, 5}}, {"weight", {4, 6, 2, 2}}, {"bias", {6}}}, [](const Tensors& t) {
    return conv_transpose2d(t[0], t[1], t[2], {2, 0});
  });
}

TEST_F(HeavyGolden, PoolAndLinear) {
  check_case("max_pool", {{"x", {2, 3, 8, 9}}}, [](const Tensors& t) { return max_pool2d(t[0], {3, 2, 1}); });
  check_case("linear", {{"x", {2, 3, 10}}, {"weight", {7, 10}}, {"bias", {7}}},
             [](const Tensors& t) { return linear(t[0], t[1], t[2]); });
}

TEST_F(HeavyGolden, Resizing) {
  check_case("nearest", {{"x", {1, 3, 3, 5}}}, [](const Tensors& t) { return interpolate_nearest(t[0], 6, 10); });
  check_case("nearest_uneven", {{"x", {1, 3, 5, 4}}}, [](const Tensors& t) { return interpolate_nearest(t[0], 7, 9); });
  check_case("bilinear", {{"x", {2, 3, 4, 5}}}, [](const Tensors& t) { return interpolate_bilinear(t[0], 8, 10); });
  check_case("bilinear_uneven", {{"x", {1, 2, 7, 4}}},
             [](const Tensors& t) { return interpolate_bilinear(t[0], 5, 9); });
}

TEST_F(HeavyGolden, BatchNorm) {
  for (const bool training : {true, false}) {
    const std::string name = training ? "batch_norm" : "batch_norm_evaluation";
    check_case(
        name, {{"x", {3, 5, 4, 3}}, {"gamma", {5}}, {"beta", {5}}, {"residual", {3, 5, 4, 3}}}, [&](const Tensors& t) {
          const Tensor mean = ops::to(golden_tensor(name + ".running_mean", {5}), t[0].device());
          const Tensor variance = ops::to(golden_tensor(name + ".running_var", {5}, 0.25, 1.0), t[0].device());
          const Tensor y =
              batch_norm(t[0], t[1], t[2], mean, variance, {.training = training, .residual = t[3], .relu = true});
          EXPECT_LT(relative_error(mean, golden_[name + ".running_mean"]), 1e-6);
          EXPECT_LT(relative_error(variance, golden_[name + ".running_var"]), 1e-6);
          return y;
        });
  }
}

TEST_F(HeavyGolden, BatchNormWithEmptySlots) {
  check_case("batch_norm_rows", {{"x", {7, 5}}, {"gamma", {5}}, {"beta", {5}}}, [&](const Tensors& t) {
    const Tensor mean = zeros({5}, {.device = t[0].device()}), variance = ones({5}, {.device = t[0].device()});
    const Tensor y = batch_norm(t[0], t[1], t[2], mean, variance,
                                {.momentum = 0.01, .eps = 1e-3, .relu = true, .last_row_count = 12});
    EXPECT_LT(relative_error(mean, golden_["batch_norm_rows.running_mean"]), 1e-6);
    EXPECT_LT(relative_error(variance, golden_["batch_norm_rows.running_var"]), 1e-6);
    return y;
  });
}

}  // namespace
}  // namespace bevgrad::testing
