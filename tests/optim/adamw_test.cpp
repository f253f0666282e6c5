#include "optim/adamw.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "autograd/autograd.h"
#include "optim/clip_grad_norm.h"
#include "support/devices.h"
#include "support/paths.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

nlohmann::json golden() {
  std::ifstream stream(testing::source_dir() + "/tests/golden/train/adamw.json");
  return nlohmann::json::parse(stream);
}

Tensor values(const nlohmann::json& json, const Shape& sizes) {
  return from_values(json.get<std::vector<double>>(), sizes);
}

void expect_close(const Tensor& ours, const nlohmann::json& theirs, double tolerance) {
  const std::vector<double> a = ours.to_vector();
  const auto b = theirs.get<std::vector<double>>();
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], tolerance * std::max(1.0, std::abs(b[i])));
}

struct Fixture {
  Device device;
  nlohmann::json json = golden();
  Tensor weight = ops::to(values(json["weight"], {3, 4}), device);
  Tensor bias = ops::to(values(json["bias"], {4}), device);
  AdamW optimizer{AdamWOptions{}};
  explicit Fixture(Device where = {}) : device(where) {
    set_requires_grad(weight, true);
    set_requires_grad(bias, true);
    optimizer.set_parameters(
        optimized_parameters({{"a.weight", weight}, {"a.bias", bias}}, {{"a.b", 0.5}, {"a", 1.0}}));
  }
  double step(size_t index) {
    const nlohmann::json& entry = json["steps"][index];
    set_grad(weight, ops::to(values(entry["weight_grad"], {3, 4}), device));
    set_grad(bias, ops::to(values(entry["bias_grad"], {4}), device));
    const double norm = clip_grad_norm(optimizer.parameters(), 5.0);
    optimizer.step(1e-2);
    return norm;
  }
};

TEST(AdamW, FollowsPyTorch) {
  for (const Device device : test_devices()) {
    SCOPED_TRACE(to_string(device));
    Fixture f(device);
    for (size_t i = 0; i < 5; ++i) {
      const nlohmann::json& entry = f.json["steps"][i];
      EXPECT_NEAR(f.step(i), entry["norm"].get<double>(), 1e-4 * entry["norm"].get<double>());
      expect_close(f.weight, entry["weight"], 1e-6);
      expect_close(f.bias, entry["bias"], 1e-6);
      expect_close(f.optimizer.state()["exp_avg"][0].second, entry["exp_avg"], 1e-6);
      expect_close(f.optimizer.state()["exp_avg_sq"][0].second, entry["exp_avg_sq"], 1e-6);
    }
  }
}

TEST(AdamW, LongestPrefixScalesAndOneDimensionDoesNotDecay) {
  const auto parameters =
      optimized_parameters({{"stage1_neck0.conv.weight", zeros({2, 2})}, {"stage1_neck0.conv.bias", zeros({2})}},
                           {{"stage1", 0.1}, {"stage1_neck", 0.25}});
  EXPECT_EQ(parameters[0].lr_scale, 0.25);
  EXPECT_TRUE(parameters[0].decays);
  EXPECT_FALSE(parameters[1].decays);
}

TEST(AdamW, ResumesBitForBit) {
  for (const Device device : test_devices()) {
    SCOPED_TRACE(to_string(device));
    Fixture unbroken(device), broken(device);
    for (size_t i = 0; i < 5; ++i) unbroken.step(i);
    for (size_t i = 0; i < 3; ++i) broken.step(i);
    Fixture resumed(device);
    {
      const NoGradGuard no_grad;
      ops::copy_(resumed.weight, broken.weight);
      ops::copy_(resumed.bias, broken.bias);
    }
    resumed.optimizer.load_state(broken.optimizer.state());
    for (size_t i = 3; i < 5; ++i) resumed.step(i);
    EXPECT_EQ(resumed.weight.to_vector(), unbroken.weight.to_vector());
    EXPECT_EQ(resumed.bias.to_vector(), unbroken.bias.to_vector());
  }
}

TEST(AdamW, AParameterWithoutAGradientStays) {
  Fixture f;
  const std::vector<double> before = f.weight.to_vector();
  f.optimizer.zero_grad();
  f.optimizer.step(1.0);
  EXPECT_EQ(f.weight.to_vector(), before);
  EXPECT_TRUE(f.optimizer.state()["exp_avg"].empty());
}

TEST(AdamW, ThawedParametersStartFresh) {
  Fixture f;
  f.step(0);
  const auto all = f.optimizer.parameters();
  f.optimizer.set_parameters({all[1]});
  EXPECT_EQ(f.optimizer.state()["step"].size(), 1u);
  f.optimizer.set_parameters(all);
  EXPECT_EQ(f.optimizer.state()["step"].size(), 1u);
  EXPECT_EQ(f.optimizer.state()["step"][0].first, "a.bias");
}

TEST(AdamW, RefusesForeignState) {
  Fixture f;
  f.step(0);
  auto state = f.optimizer.state();
  state["exp_avg"][0].second = zeros({2});
  EXPECT_THROW(f.optimizer.load_state(state), Error);
  state = f.optimizer.state();
  state["exp_avg"][0].first = "other";
  EXPECT_THROW(f.optimizer.load_state(state), Error);
  state = f.optimizer.state();
  state.erase("step");
  EXPECT_THROW(f.optimizer.load_state(state), Error);
}

TEST(ClipGradNorm, LeavesSmallAndNonFiniteGradients) {
  Fixture f;
  set_grad(f.weight, full({3, 4}, 0.1));
  set_grad(f.bias, Tensor());
  EXPECT_NEAR(clip_grad_norm(f.optimizer.parameters(), 5.0), 0.1 * std::sqrt(12.0), 1e-6);
  EXPECT_EQ(grad(f.weight).to_vector(), full({3, 4}, 0.1).to_vector());
  set_grad(f.bias, full({4}, std::nan("")));
  EXPECT_TRUE(std::isnan(clip_grad_norm(f.optimizer.parameters(), 5.0)));
  EXPECT_EQ(grad(f.weight).to_vector(), full({3, 4}, 0.1).to_vector());
}

}  // namespace
}  // namespace bevgrad
