// Recomputation within a memory budget: what is chosen, and that nothing but memory and time depends on it.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/files.h"
#include "distributed/ranks.h"
#include "nn/recomputable.h"
#include "support/devices.h"
#include "train/memory_budget.h"
#include "train/tiny_run.h"
#include "train/trainer.h"

namespace bevgrad {
namespace {

using testing::HasSubstr;
using testing::Not;

MeasuredStretch stretch(size_t kept, double seconds, size_t forward_peak, size_t backward_peak) {
  return {.kept = kept,
          .seconds = seconds,
          .forward_peak = forward_peak,
          .backward_peak = backward_peak,
          .is_trained = true};
}

TEST(MemoryBudget, KeepsWhatSavesMostTimeAByte) {
  const std::vector<MeasuredStretch> stretches = {stretch(100, 1, 50, 400), stretch(100, 5, 60, 300),
                                                  stretch(300, 6, 70, 200)};
  const auto keeps = [&](size_t limit) {
    size_t peak = 90;
    return stretches_to_keep(stretches, limit, peak);
  };
  using Keeps = std::vector<bool>;
  size_t peak = 90;
  EXPECT_EQ(stretches_to_keep(stretches, 399, peak), Keeps({false, false, false}));
  EXPECT_EQ(peak, 400u);
  peak = 500;  // before the first of them
  EXPECT_EQ(stretches_to_keep(stretches, 499, peak), Keeps({false, false, false}));
  EXPECT_EQ(peak, 500u);
  // At its own backward pass a stretch lies there whether it was kept or not; those before it are what adds up.
  EXPECT_EQ(keeps(400), Keeps({true, true, false}));
  EXPECT_EQ(keeps(569), Keeps({false, true, true}));
  EXPECT_EQ(keeps(570), Keeps({true, true, true}));
}

std::unique_ptr<ProcessGroup> alone() {
  return make_single_process_group();
}

enum class Recompute { Nothing, Everything, EverySecond };

struct Outcome {
  std::vector<double> losses;
  StateDict state;
  bool operator==(const Outcome& other) const {
    if (losses != other.losses || state.size() != other.state.size()) return false;
    for (size_t i = 0; i < state.size(); ++i)
      if (state[i].second.to_vector() != other.state[i].second.to_vector()) return false;
    return true;
  }
};

/// Counts what really runs twice.
struct CountingWatch : RecomputeWatch {
  int twice = 0;
  void first_run(const Module&) override {}
  void second_run(const Module&) override {}
  void second_run_ended(const Module&, const Tensor&) override { ++twice; }
};

Outcome three_steps(const std::string& config, std::vector<std::string> sets, Recompute recompute, ProcessGroup& group,
                    Device device = {}) {
  sets.insert(sets.end(),
              {"train.train_steps=3", "train.finetune_steps=0", "train.warmup_steps=0", "train.base_lr=1e-3"});
  Trainer trainer(TinyData::get().document(config, sets),
                  {.work_dir = TinyData::get().path("memory_budget_" + std::to_string(group.size())),
                   .resume = "",
                   .pretrain = "",
                   .quiet = true,
                   .device = device},
                  group);
  int asked = 0;
  CountingWatch watch;
  const RecomputePlan plan{.recomputes =
                               [&](const Module&) {
                                 ++asked;
                                 return recompute == Recompute::Everything ||
                                        (recompute == Recompute::EverySecond && asked % 2 == 0);
                               },
                           .watch = &watch};
  const RecomputeGuard guard(&plan);
  Outcome run;
  for (int i = 0; i < 3; ++i) {
    const StepReport report = trainer.step();
    run.losses.insert(run.losses.end(), {report.loss, report.grad_norm});
  }
  EXPECT_EQ(watch.twice, recompute == Recompute::Nothing ? 0 : recompute == Recompute::Everything ? asked : asked / 2);
  EXPECT_GT(asked, 10);
  run.state = trainer.checkpoint().state_dict;
  return run;
}

TEST(MemoryBudget, RecomputationKeepsEveryBit) {
  for (const Device device : test_devices()) {
    for (const char* config : {"mini_step1", "mini_step2_static"}) {
      for (const char* amp : {"train.use_backbone_amp=false", "train.use_backbone_amp=true"}) {
        for (const char* neck : {"FPN", "GeneralizedLSSFPN"}) {
          SCOPED_TRACE(to_string(device) + " " + config + " " + amp + " " + neck);
          std::vector<std::string> sets = {amp, std::string("network.neck=\"") + neck + "\"",
                                           "train.freeze_module_schedules=[]"};
          if (std::string(amp).ends_with("true")) sets.push_back("train.use_head_amp=true");
          const Outcome plain = three_steps(config, sets, Recompute::Nothing, *alone(), device);
          EXPECT_TRUE(three_steps(config, sets, Recompute::Everything, *alone(), device) == plain);
          EXPECT_TRUE(three_steps(config, sets, Recompute::EverySecond, *alone(), device) == plain);
        }
      }
    }
  }
}

TEST(MemoryBudget, RecomputationKeepsEveryBitOfAccumulatedSteps) {
  const std::vector<std::string> sets = {"train.accumulate_grad_batches=2"};
  const Outcome plain = three_steps("mini_step1", sets, Recompute::Nothing, *alone());
  EXPECT_TRUE(three_steps("mini_step1", sets, Recompute::Everything, *alone()) == plain);
}

TEST(MemoryBudget, RecomputationKeepsEveryBitOfTwoRanks) {
  for (const Setting setting : settings({2})) {
    // The second one: each rank by a plan of its own.
    std::vector<Outcome> runs;
    for (const Recompute other : {Recompute::Nothing, Recompute::Everything}) {
      Outcome run;
      expect_no_errors(run_ranks(setting, [&](ProcessGroup& group, Device device) {
        const bool is_first = group.rank() == 0;
        Outcome own = three_steps("mini_step1", {"distributed.bucket_mb=0.01"}, is_first ? other : Recompute::Nothing,
                                  group, device);
        if (is_first) run = std::move(own);
      }));
      runs.push_back(std::move(run));
    }
    EXPECT_TRUE(runs[0] == runs[1]);
  }
}

/// What a run's first steps say of its budget: the last such line of its log, or its error.
std::string first_steps(const std::string& gigabytes, Device device) {
  const auto group = alone();
  Trainer trainer(
      TinyData::get().document("mini_step1", {"train.train_steps=2", "train.memory_budget_gb=" + gigabytes}),
      {.work_dir = TinyData::get().path("memory_budget_first"),
       .resume = "",
       .pretrain = "",
       .quiet = true,
       .device = device},
      *group);
  try {
    trainer.step();
    trainer.step();
  } catch (const UsageError& error) {
    return error.what();
  }
  const std::string log = read_file(trainer.work_dir().file("train.log"));
  const size_t line = log.rfind("train.memory_budget_gb " + gigabytes);
  return line == std::string::npos ? "" : log.substr(line, log.find('\n', line) - line);
}

TEST(MemoryBudget, WhatCannotBeKeptIsNamedWithTheLeast) {
  for (const Device device : test_devices()) {
    const std::string message = first_steps("0.0001", device);
    EXPECT_THAT(message, HasSubstr("field \"train.memory_budget_gb\": 0.0001 GB cannot be kept: the least for this "
                                   "batch is "));
    EXPECT_THAT(first_steps("1000", device), HasSubstr(": 0 of "));
    if (device.is_cpu()) continue;  // of which the process is the larger part
    const double least = std::stod(message.substr(message.find("batch is ") + 9));
    const std::string told = first_steps(fmt::format("{:g}", 1.02 * least), device);
    EXPECT_THAT(told, HasSubstr("stretches are computed again"));
    EXPECT_THAT(told, Not(HasSubstr(": 0 of ")));
  }
}

}  // namespace
}  // namespace bevgrad
