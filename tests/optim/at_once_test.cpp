// Steps of many parameters at once on a GPU: the same as one by one, in as few launches.
#include <gtest/gtest.h>

#include <cmath>

#include "autograd/autograd.h"
#include "optim/adamw.h"
#include "optim/clip_grad_norm.h"
#include "support/devices.h"
#include "tensor/device_counts.h"
#include "tensor/ops.h"
#include "tensor/random.h"

namespace bevgrad {
namespace {

struct Training {
  std::vector<double> values;
  std::vector<double> norms;
  std::vector<int64_t> launches;
};

// Sizes that end within a run, a turn and a piece; channels-last weights; one parameter without a gradient at first.
Training train(Device device, double max_norm) {
  Generator generator(3);
  AdamW optimizer(AdamWOptions{});
  StateDict parameters;
  for (const Shape& sizes : std::vector<Shape>{{1}, {3}, {7, 5}, {1027}, {33, 257}, {8, 3, 3, 3}, {2}})
    parameters.emplace_back("p" + std::to_string(parameters.size()), generator.uniform(sizes));
  parameters.emplace_back("channels_last",
                          ops::contiguous(generator.uniform({4, 6, 3, 3}), MemoryFormat::ChannelsLast));
  parameters.emplace_back("late", generator.uniform({5, 4}));
  for (auto& [name, value] : parameters) {
    value = ops::to(value, device);
    set_requires_grad(value, true);
  }
  optimizer.set_parameters(optimized_parameters(parameters, {{"p1", 0.1}, {"p2", 3.0}}));
  Training run;
  for (int step = 0; step < 4; ++step) {
    for (const auto& [name, value] : parameters) {
      const Tensor gradient = generator.uniform(value.sizes());
      if (name != "late" || step >= 2) set_grad(value, ops::to(gradient, device));
    }
    const int64_t before = device_counts()[DeviceWork::Launch];
    const double norm = std::sqrt(squared_grad_norm(optimizer.parameters()).item());
    optimizer.step(1e-2, clip_factor(norm, max_norm));
    run.launches.push_back(device_counts()[DeviceWork::Launch] - before);
    run.norms.push_back(norm);
    optimizer.zero_grad();
  }
  for (const auto& [name, value] : parameters)
    for (const double number : value.to_vector()) run.values.push_back(number);
  return run;
}

TEST(AtOnce, GpuFollowsCpu) {
  for (const double max_norm : {0.0, 2.0}) {
    const Training oracle = train({}, max_norm);
    for (const Device device : test_devices()) {
      const Training run = train(device, max_norm);
      ASSERT_EQ(run.values.size(), oracle.values.size());
      for (size_t i = 0; i < run.values.size(); ++i) ASSERT_NEAR(run.values[i], oracle.values[i], 2e-6) << i;
      for (size_t i = 0; i < run.norms.size(); ++i) EXPECT_NEAR(run.norms[i], oracle.norms[i], 1e-9 * oracle.norms[i]);
      if (device.is_cpu()) continue;
      // Two for the norm, one for the step; copies to the parameters' layout and zeros for new state come at first.
      EXPECT_EQ(run.launches[1], 3 + 1) << "a gradient is laid out as its channels-last parameter";
      EXPECT_EQ(run.launches[3], 3 + 1);
    }
  }
}

TEST(AtOnce, ANormThatIsNotFiniteIsSeen) {
  for (const Device device : test_devices()) {
    Tensor value = ops::to(ones({5000}), device);
    set_requires_grad(value, true);
    AdamW optimizer(AdamWOptions{});
    optimizer.set_parameters(optimized_parameters({{"p", value}}, {}));
    Tensor gradient = ones({5000});
    gradient.data<float>()[4321] = NAN;
    set_grad(value, ops::to(gradient, device));
    EXPECT_TRUE(std::isnan(squared_grad_norm(optimizer.parameters()).item()));
  }
  EXPECT_EQ(clip_factor(NAN, 1), 1);
  EXPECT_EQ(clip_factor(4, 0), 1);
  EXPECT_EQ(clip_factor(0.5, 1), 1);
  EXPECT_NEAR(clip_factor(4, 1), 0.25, 1e-6);
}

TEST(AtOnce, ClippedGradientsAreThoseOfTheStep) {
  // Both ways of one limit.
  std::vector<std::vector<double>> ways;
  for (const bool folded : {false, true}) {
    for (const Device device : test_devices()) {
      Generator generator(9);
      Tensor value = ops::to(generator.uniform({300}), device);
      set_requires_grad(value, true);
      AdamW optimizer(AdamWOptions{});
      optimizer.set_parameters(optimized_parameters({{"p", value}}, {}));
      for (int i = 0; i < 3; ++i) {
        set_grad(value, ops::to(generator.uniform({300}), device));
        if (folded) {
          const double norm = std::sqrt(squared_grad_norm(optimizer.parameters()).item());
          optimizer.step(1e-2, clip_factor(norm, 1));
        } else {
          clip_grad_norm(optimizer.parameters(), 1);
          optimizer.step(1e-2);
        }
      }
      ways.push_back(value.to_vector());
    }
  }
  for (const auto& way : ways)
    for (size_t i = 0; i < way.size(); ++i) ASSERT_NEAR(way[i], ways[0][i], 1e-6);
}

}  // namespace
}  // namespace bevgrad
