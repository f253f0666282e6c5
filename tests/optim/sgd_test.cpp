#include "optim/sgd.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "autograd/autograd.h"
#include "base/error.h"
#include "optim/adamw.h"
#include "support/devices.h"
#include "support/paths.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

nlohmann::json golden() {
  std::ifstream stream(testing::source_dir() + "/tests/golden/train/sgd.json");
  return nlohmann::json::parse(stream);
}

nlohmann::json golden_runs() {
  return golden()["runs"];
}

void expect_close(const Tensor& ours, const nlohmann::json& theirs) {
  const std::vector<double> a = ours.to_vector();
  const auto b = theirs.get<std::vector<double>>();
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-6 * std::max(1.0, std::abs(b[i])));
}

/// The golden file's two parameters under one set of options.
struct Fixture {
  nlohmann::json json = golden();
  Device device;
  Tensor weight, bias;
  Sgd optimizer;

  Tensor values(const nlohmann::json& numbers, const Shape& sizes) const {
    return ops::to(from_values(numbers.get<std::vector<double>>(), sizes), device);
  }
  Fixture(const SgdOptions& options, Device where) : device(where), optimizer(options) {
    weight = values(json["weight"], {3, 4});
    bias = values(json["bias"], {4});
    for (const Tensor& parameter : {weight, bias}) set_requires_grad(parameter, true);
    optimizer.set_parameters(optimized_parameters({{"a.weight", weight}, {"a.bias", bias}}, {{"a.b", 0.5}}));
  }
  void step(size_t index) {
    const nlohmann::json& gradients = json["gradients"][index];
    set_grad(weight, values(gradients["weight"], {3, 4}));
    set_grad(bias, values(gradients["bias"], {4}));
    optimizer.step(1e-1);
  }
};

SgdOptions options_of(const nlohmann::json& run) {
  const nlohmann::json& options = run["options"];
  return {.momentum = options["momentum"],
          .dampening = options["dampening"],
          .weight_decay = 0.05,
          .nesterov = options["nesterov"]};
}

TEST(Sgd, FollowsPyTorch) {
  for (const Device device : test_devices()) {
    for (const nlohmann::json& run : golden_runs()) {
      SCOPED_TRACE(to_string(device) + " " + run["options"].dump());
      Fixture f(options_of(run), device);
      for (size_t i = 0; i < run["steps"].size(); ++i) {
        f.step(i);
        expect_close(f.weight, run["steps"][i]["weight"]);
        expect_close(f.bias, run["steps"][i]["bias"]);
      }
      if (run.contains("momentum_buffer"))
        expect_close(f.optimizer.state().at("momentum_buffer")[0].second, run["momentum_buffer"]);
    }
  }
}

TEST(Sgd, ResumesBitForBit) {
  for (const Device device : test_devices()) {
    for (const nlohmann::json& run : golden_runs()) {
      SCOPED_TRACE(to_string(device) + " " + run["options"].dump());
      Fixture unbroken(options_of(run), device), broken(options_of(run), device), resumed(options_of(run), device);
      for (size_t i = 0; i < 8; ++i) unbroken.step(i);
      for (size_t i = 0; i < 3; ++i) broken.step(i);
      {
        const NoGradGuard no_grad;
        ops::copy_(resumed.weight, broken.weight);
        ops::copy_(resumed.bias, broken.bias);
      }
      resumed.optimizer.load_state(broken.optimizer.state());
      for (size_t i = 3; i < 8; ++i) resumed.step(i);
      EXPECT_EQ(resumed.weight.to_vector(), unbroken.weight.to_vector());
      EXPECT_EQ(resumed.bias.to_vector(), unbroken.bias.to_vector());
    }
  }
}

TEST(Sgd, WithoutMomentumNothingIsKept) {
  Fixture f({}, {});
  f.step(0);
  EXPECT_TRUE(f.optimizer.state().empty());
  EXPECT_EQ(f.optimizer.state_bytes(), 0u);
}

TEST(Sgd, RefusesAnotherOptimizersState) {
  Fixture f({.momentum = 0.9}, {});
  f.step(0);
  AdamW adamw;
  adamw.set_parameters(f.optimizer.parameters());
  EXPECT_THROW(adamw.load_state(f.optimizer.state()), Error);
  adamw.step(1e-3);
  EXPECT_THROW(f.optimizer.load_state(adamw.state()), Error);
  EXPECT_THROW(adamw.load_state({}), Error);
}

TEST(Sgd, RefusesNesterovWithoutMomentum) {
  EXPECT_THROW(Sgd({.nesterov = true}), UsageError);
  EXPECT_THROW(Sgd({.momentum = 0.9, .dampening = 0.1, .nesterov = true}), UsageError);
}

}  // namespace
}  // namespace bevgrad
