// 100 steps of every optimizer and 100 rates of every schedule against PyTorch (tests/golden/train/make_optimizers.py).
#include <gtest/gtest.h>

#include "autograd/autograd.h"
#include "optim/adafactor.h"
#include "optim/adam.h"
#include "optim/lion.h"
#include "optim/muon.h"
#include "optim/rmsprop.h"
#include "optim/schedules.h"
#include "optim/sgd.h"
#include "support/devices.h"
#include "support/golden.h"

namespace bevgrad::testing {
namespace {

const std::vector<std::pair<std::string, Shape>> kSizes = {{"weight", {6, 4}}, {"bias", {5}}};

struct Steps {
  std::vector<Tensor> values;
  std::unique_ptr<Optimizer> optimizer;
  Device device;

  Steps(std::unique_ptr<Optimizer> made, Device where) : optimizer(std::move(made)), device(where) {
    StateDict parameters;
    for (const auto& [name, sizes] : kSizes) {
      values.push_back(ops::to(golden_tensor("optim." + name, sizes), device));
      set_requires_grad(values.back(), true);
      parameters.emplace_back(name, values.back());
    }
    optimizer->set_parameters(optimized_parameters(parameters, {{"bias", 0.5}}));
  }
  void step(int number, double lr) {
    for (size_t i = 0; i < kSizes.size(); ++i)
      set_grad(values[i],
               ops::to(golden_tensor(fmt::format("optim.{}.{}", kSizes[i].first, number), kSizes[i].second), device));
    optimizer->step(lr);
  }
};

using Make = std::function<std::unique_ptr<Optimizer>()>;

// Follows PyTorch; and a run that is taken up after 10 steps from the state goes on bit for bit.
void expect_golden(const std::string& name, double lr, const Make& make, double tolerance = 5e-6) {
  static const auto golden = load_golden("train/optimizers.golden");
  for (const Device device : test_devices()) {
    SCOPED_TRACE(name + " on " + to_string(device));
    Steps run(make(), device), resumed(make(), device);
    for (int step = 1; step <= 100; ++step) {
      run.step(step, lr);
      if (step == 10) {
        for (size_t i = 0; i < kSizes.size(); ++i) {
          const NoGradGuard no_grad;
          ops::copy_(resumed.values[i], run.values[i]);
        }
        resumed.optimizer->load_state(run.optimizer->state());
      } else if (step > 10) {
        resumed.step(step, lr);
      }
      if (step != 1 && step != 10 && step != 100) continue;
      for (size_t i = 0; i < kSizes.size(); ++i) {
        EXPECT_LT(
            relative_error(detach(run.values[i]), golden.at(fmt::format("{}.{}.{}", name, kSizes[i].first, step))),
            tolerance)
            << kSizes[i].first << " after " << step;
        if (step == 100) {
          EXPECT_EQ(resumed.values[i].to_vector(), run.values[i].to_vector());
        }
      }
    }
    EXPECT_GT(run.optimizer->state_bytes(), 0u);
  }
}

template <class O, class Options>
Make maker(Options options) {
  return [options] { return std::make_unique<O>(options); };
}

TEST(GoldenOptimizers, FollowPyTorchFor100Steps) {
  expect_golden("adam", 1e-2, maker<Adam>(AdamOptions{.beta1 = 0.8, .beta2 = 0.99, .weight_decay = 0.1}));
  expect_golden("adamw", 1e-2, maker<AdamW>(AdamWOptions{.weight_decay = 0.1}));
  expect_golden("sgd", 1e-2, maker<Sgd>(SgdOptions{.momentum = 0.9, .weight_decay = 0.1, .nesterov = true}));
  expect_golden("rmsprop", 1e-2, maker<RmsProp>(RmsPropOptions{.alpha = 0.9, .weight_decay = 0.1}));
  expect_golden("rmsprop_all", 1e-3,
                maker<RmsProp>(RmsPropOptions{.weight_decay = 0.1, .momentum = 0.8, .centered = true}));
  expect_golden("lion", 1e-3, maker<Lion>(LionOptions{.weight_decay = 0.1}));
  expect_golden("adafactor", 1e-2, maker<Adafactor>(AdafactorOptions{.weight_decay = 0.1}));
  expect_golden("adafactor_other", 0.2, maker<Adafactor>(AdafactorOptions{.beta2_decay = -0.6, .d = 1.5}));
  for (const bool nesterov : {false, true}) {
    MuonOptions options{.nesterov = nesterov, .match_adamw = false};
    expect_golden(fmt::format("muon_original_{}", static_cast<int>(nesterov)), 1e-2, maker<Muon>(options), 2e-5);
    options.match_adamw = true;
    expect_golden(fmt::format("muon_match_rms_adamw_{}", static_cast<int>(nesterov)), 1e-2, maker<Muon>(options), 2e-5);
  }
}

TEST(GoldenOptimizers, StateOfAnotherShapeIsRefused) {
  Steps run(std::make_unique<Adafactor>(), Device{});
  run.step(1, 0.1);
  auto state = run.optimizer->state();
  EXPECT_EQ(state.at("row_var")[0].second.sizes(), (Shape{6, 1}));
  EXPECT_EQ(state.at("variance")[0].second.sizes(), (Shape{5}));
  state["row_var"][0].second = zeros({6, 4});
  EXPECT_THROW(run.optimizer->load_state(state), Error);
  state["row_var"].clear();
  EXPECT_THROW(run.optimizer->load_state(state), Error);
}

void expect_rates(const std::string& name, const LrSchedule& schedule) {
  const std::vector<double> expected = load_golden("train/optimizers.golden").at("lr." + name).to_vector();
  for (int64_t step = 0; step < std::ssize(expected); ++step)
    EXPECT_NEAR(schedule(step), expected[step], 1e-6) << name << " at " << step;
}

TEST(GoldenSchedules, HavePyTorchsRates) {
  const std::vector<LrPhase> phases{{100, 0.5}};
  expect_rates("step", step_lr(phases, 30, 0.3));
  expect_rates("exponential", exponential_lr(phases, 0.97));
  expect_rates("restarts", cosine_restarts_lr(phases, 12, 2, 0.1));
  expect_rates("one_cycle", one_cycle_lr(phases));
  expect_rates("one_cycle_linear",
               one_cycle_lr(phases, {.pct_start = 0.4, .div_factor = 10, .final_div_factor = 100, .linear = true}));
  expect_rates("polynomial", polynomial_lr(phases, 0.9));
}

TEST(GoldenSchedules, PlateauFallsWhenPyTorchs) {
  const std::vector<double> expected = load_golden("train/optimizers.golden").at("lr.plateau").to_vector();
  const std::vector<double> values = golden_numbers("plateau", 100);
  const PlateauOptions options{.factor = 0.5, .patience = 2, .cooldown = 3, .min_lr = 0.01};
  PlateauLr plateau(0.5, options), resumed(0.5, options);
  for (size_t i = 0; i < values.size(); ++i) {
    EXPECT_NEAR(plateau.step(values[i] + 2), expected[i], 1e-7) << i;
    if (i == 20) resumed.load(plateau.state());
    if (i > 20) {
      EXPECT_EQ(resumed.step(values[i] + 2), plateau.lr());
    }
  }
  EXPECT_LT(plateau.lr(), 0.1);
}

TEST(Schedules, PhasesFollowOneAnother) {
  const LrSchedule wsd = wsd_lr({{10, 1.0}, {0, 7.0}, {4, 0.5}}, 0.5, 0.2);
  EXPECT_EQ(wsd(0), 1.0);
  EXPECT_EQ(wsd(5), 1.0);
  EXPECT_NEAR(wsd(6), 1 - 0.8 / 5, 1e-12);
  EXPECT_EQ(wsd(10), 0.5);
  EXPECT_NEAR(wsd(13), 0.5 * (1 - 0.8 / 2), 1e-12);
  EXPECT_NEAR(wsd(100), 0.5 * 0.2, 1e-12);
  EXPECT_EQ(polynomial_lr({{4, 2.0}}, 1)(9), 0.0);
}

}  // namespace
}  // namespace bevgrad::testing
