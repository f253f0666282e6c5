// Against PyTorch: tests/golden/autograd/make_sampling.py.
#include <gtest/gtest.h>

#include "nn/losses.h"
#include "support/devices.h"
#include "support/golden.h"

namespace bevgrad::testing {
namespace {

const Shape kSizes = {2, 3, 7, 9};

template <class Loss>
void expect_golden(const std::string& name, const Loss& loss) {
  const auto golden = load_golden("autograd/sampling.golden");
  for (const Device device : test_devices()) {
    SCOPED_TRACE(to_string(device));
    const Tensor x = ops::to(golden_tensor("loss.x", kSizes, 5.0), device);
    set_requires_grad(x, true);
    const Tensor y = loss(x);
    EXPECT_LT(relative_error(ops::reshape(detach(y), {1}), golden.at(name)), 1e-6) << name;
    backward(y);
    EXPECT_LT(relative_error(grad(x), golden.at(name + ".d0")), 2e-6) << name;
  }
}

Tensor labels() {
  const auto draws = golden_numbers("loss.t", numel(kSizes));
  const Tensor t = empty(kSizes, {DType::UInt8});
  for (size_t i = 0; i < draws.size(); ++i) t.data<uint8_t>()[i] = draws[i] < -0.9 ? 255 : draws[i] > 0.7;
  return t;
}

TEST(GoldenLosses, AgreeWithPyTorch) {
  const std::vector<double> weights = {1, 2, 0.5};
  expect_golden("focal", [&](const Tensor& x) { return sigmoid_focal_loss(x, labels(), {0.25, 2.0, weights}); });
  expect_golden("focal_gamma", [&](const Tensor& x) { return sigmoid_focal_loss(x, labels(), {0.75, 1.5, weights}); });
  expect_golden("dice", [&](const Tensor& x) { return soft_dice_loss(x, labels(), {1.0, weights}); });
  expect_golden("gaussian_focal", [&](const Tensor& x) {
    const Tensor heat = golden_tensor("loss.heat", kSizes, 0.5, 0.5);
    for (int64_t i = 0; i < heat.numel(); ++i)
      if (heat.data<float>()[i] > 0.95f) heat.data<float>()[i] = 1;
    return gaussian_focal_loss(x, heat);
  });
}

}  // namespace
}  // namespace bevgrad::testing
