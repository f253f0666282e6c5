// Functions whose rules have corners against PyTorch (tests/golden/autograd/make_functions.py).
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

// Result and gradients of every input, on every device.
void expect_golden(const std::string& name, const std::vector<Input>& inputs,
                   const std::function<Tensor(const Tensors&)>& function, double scale = 1) {
  static const auto golden = load_golden("autograd/functions.golden");
  for (const Device device : test_devices()) {
    SCOPED_TRACE(name + " on " + to_string(device));
    Tensors leaves;
    for (const Input& input : inputs) {
      leaves.push_back(ops::to(golden_tensor(name + "." + input.name, input.sizes, scale), device));
      set_requires_grad(leaves.back(), true);
    }
    const Tensor y = function(leaves);
    EXPECT_LT(relative_error(detach(y), golden.at(name + ".y")), 3e-6);
    backward(y, ops::to(golden_tensor(name + ".dy", y.sizes()), device));
    for (size_t i = 0; i < inputs.size(); ++i)
      EXPECT_LT(relative_error(grad(leaves[i]), golden.at(name + ".d" + inputs[i].name)), 1e-5) << inputs[i].name;
  }
}

TEST(GoldenFunctions, Convolutions) {
  expect_golden("conv_groups", {{"x", {2, 6, 9, 8}}, {"weight", {4, 3, 3, 2}}, {"bias", {4}}}, [](const Tensors& t) {
    return conv2d(t[0], t[1], t[2], {{2, 1}, {1, 2}, {1, 3}, 2});
  });
  expect_golden("conv_transpose_groups", {{"x", {2, 4, 3, 5}}, {"weight", {4, 3, 3, 2}}, {"bias", {6}}},
                [](const Tensors& t) {
                  return conv_transpose2d(t[0], t[1], t[2], {{2, 3}, {1, 0}, {1, 2}, 2, {2, 1}});
                });
  expect_golden("conv3d", {{"x", {2, 4, 5, 6, 4}}, {"weight", {6, 2, 3, 2, 3}}, {"bias", {6}}}, [](const Tensors& t) {
    return conv3d(t[0], t[1], t[2], {{2, 1, 1}, {1, 0, 2}, {1, 2, 1}, 2});
  });
  expect_golden("conv_transpose3d", {{"x", {2, 4, 3, 2, 3}}, {"weight", {4, 3, 3, 2, 2}}, {"bias", {6}}},
                [](const Tensors& t) {
                  return conv_transpose3d(t[0], t[1], t[2], {{2, 1, 2}, {1, 0, 1}, {1, 0, 1}, 2, {1, 2, 1}});
                });
  expect_golden("conv1d", {{"x", {2, 4, 9}}, {"weight", {6, 2, 3}}, {"bias", {6}}}, [](const Tensors& t) {
    return conv1d(t[0], t[1], t[2], {2, 1, 2, 2});
  });
}

TEST(GoldenFunctions, PoolsAndWindows) {
  const std::vector<Input> map{{"x", {2, 3, 8, 9}}}, uneven{{"x", {2, 3, 7, 5}}};
  expect_golden("max_pool_ceil", map, [](const Tensors& t) {
    return max_pool2d(t[0], {{3, 2}, {{2, 3}}, {1, 0}, {1, 2}, true});
  });
  expect_golden("avg_pool_ceil", map, [](const Tensors& t) {
    return avg_pool2d(t[0], {{3, 2}, {{2, 3}}, {1, 0}, true});
  });
  expect_golden("avg_pool_inside", map, [](const Tensors& t) { return avg_pool2d(t[0], {3, 2, 1, true, false}); });
  expect_golden("adaptive_avg", uneven, [](const Tensors& t) { return adaptive_avg_pool2d(t[0], {3, 4}); });
  expect_golden("adaptive_max", uneven, [](const Tensors& t) { return adaptive_max_pool2d(t[0], {3, 4}); });
  expect_golden("unfold", {{"x", {2, 3, 6, 7}}}, [](const Tensors& t) {
    return unfold(t[0], {2, 3}, {2, 1}, {1, 2}, {1, 3});
  });
  expect_golden("fold", {{"x", {2, 18, 18}}}, [](const Tensors& t) {
    return fold(t[0], {6, 7}, {2, 3}, {2, 1}, {1, 2}, {1, 3});
  });
}

TEST(GoldenFunctions, Attention) {
  expect_golden(
      "attention_causal", {{"q", {2, 4, 8}}, {"k", {2, 6, 8}}, {"v", {2, 6, 5}}},
      [](const Tensors& t) { return scaled_dot_product_attention(t[0], t[1], t[2], {.is_causal = true}); }, 2);
  expect_golden(
      "attention_mask", {{"q", {2, 3, 4, 8}}, {"k", {2, 3, 6, 8}}, {"v", {2, 3, 6, 5}}, {"mask", {2, 1, 4, 6}}},
      [](const Tensors& t) {
        return scaled_dot_product_attention(t[0], t[1], t[2], {.attn_mask = t[3], .scale = 0.3});
      },
      2);
}

TEST(GoldenFunctions, GridSample) {
  const std::pair<const char*, GridPadding> paddings[] = {
      {"zeros", GridPadding::Zeros}, {"border", GridPadding::Border}, {"reflection", GridPadding::Reflection}};
  for (const auto& [word, padding] : paddings)
    for (const bool corners : {false, true})
      expect_golden(
          fmt::format("grid_{}_{}", word, static_cast<int>(corners)), {{"x", {2, 3, 5, 6}}, {"grid", {2, 4, 3, 2}}},
          [&](const Tensors& t) { return grid_sample(t[0], t[1], Interpolation::Bilinear, padding, corners); }, 2.3);
}

TEST(GoldenFunctions, Interpolate) {
  const std::vector<Input> map{{"x", {2, 3, 5, 6}}};
  const std::pair<const char*, InterpolateMode> modes[] = {{"bilinear", InterpolateMode::Bilinear},
                                                           {"bicubic", InterpolateMode::Bicubic}};
  for (const auto& [word, mode] : modes)
    for (const bool corners : {false, true})
      for (const bool smooth : {false, true})
        for (const Pair size : {Pair(3, 7), Pair(9, 2)})
          expect_golden(fmt::format("{}_{}{}_{}", word, static_cast<int>(corners), static_cast<int>(smooth), size.h),
                        map, [&](const Tensors& t) {
                          return interpolate(t[0], size, {mode, corners, smooth});
                        });
  expect_golden("nearest_exact", map, [](const Tensors& t) {
    return interpolate(t[0], {3, 8}, {InterpolateMode::NearestExact});
  });
  expect_golden("area", map, [](const Tensors& t) { return interpolate(t[0], {3, 8}, {InterpolateMode::Area}); });
}

TEST(GoldenFunctions, Norms) {
  expect_golden("instance_norm", {{"x", {2, 3, 5, 4}}, {"weight", {3}}, {"bias", {3}}},
                [](const Tensors& t) { return instance_norm(t[0], t[1], t[2]); });
  expect_golden("rms_norm", {{"x", {4, 3, 5}}, {"weight", {3, 5}}}, [](const Tensors& t) {
    return rms_norm(t[0], {3, 5}, t[1]);
  });
}

}  // namespace
}  // namespace bevgrad::testing
