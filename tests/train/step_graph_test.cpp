// The second stage's steps as a CUDA graph: the bits of a run without, and what happens where it cannot be recorded.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "autograd/functions/conv.h"
#include "base/error.h"
#include "base/files.h"
#include "support/devices.h"
#include "tensor/device_counts.h"
#include "tensor/device_graph.h"
#include "tensor/ops.h"
#include "tensor/random.h"
#include "train/tiny_run.h"
#include "train/trainer.h"

#ifdef BEVGRAD_CUDA_EMULATED
#include "emulation/control.h"
#endif

namespace bevgrad {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr Device kGpu{DeviceKind::CUDA, 0};

struct Trained {
  std::vector<double> numbers;  // loss, terms and norm of the gradient of every step
  std::map<std::string, std::vector<double>> state;
  int64_t graphs = 0;  // launched
  std::string log;
};

class StepGraphs : public ::testing::Test {
 protected:
  void SetUp() override {
    if (cuda_device_count() == 0) GTEST_SKIP() << "no CUDA device";
  }

  static configs::Document document(std::vector<std::string> more) {
    more.insert(more.begin(),
                {"train.finetune_steps=8", "train.base_lr=1e-3", "feature_cache.enabled=true",
                 "feature_cache.storage=float32", "feature_cache.dir=" + TinyData::get().path("step_graphs_cache")});
    return TinyData::get().document("mini_step2_static", more);
  }

  static Trained run(const std::string& name, const configs::Document& document, int64_t steps = 8) {
    const auto group = make_single_process_group();
    const std::string folder = TinyData::get().path("step_graphs_" + name);
    Trained result;
    Trainer trainer(document, {.work_dir = folder, .resume = "", .pretrain = "", .quiet = true, .device = kGpu},
                    *group);
    const DeviceCounts before = device_counts();
    while (trainer.global_step() < steps) {
      const StepReport report = trainer.step();
      result.numbers.insert(result.numbers.end(), {report.loss, report.grad_norm});
      for (const auto& [term, value] : report.terms) result.numbers.push_back(value);
    }
    result.graphs = (device_counts() - before)[DeviceWork::GraphLaunch];
    for (const auto& [key, tensor] : trainer.network().state_dict()) result.state[key] = tensor.to_vector();
    result.log = read_file(folder + "/train.log");
    return result;
  }
};

TEST_F(StepGraphs, GiveTheBitsOfARunWithout) {
  // Frames without a past, other counts of objects, and a last batch of an epoch that may be smaller, are among them.
  for (const char* setting : {"train.use_head_amp=false", "train.use_head_amp=true", "temporal.interval_variable=true",
                              "train.grad_clip_norm=0.5"}) {
    SCOPED_TRACE(setting);
    const Trained without = run("without", document({setting, "train.cuda_graphs=false"}));
    const Trained with = run("with", document({setting, "train.cuda_graphs=true"}));
    EXPECT_EQ(without.graphs, 0);
    EXPECT_GE(with.graphs, 4);
    EXPECT_EQ(with.numbers, without.numbers);
    EXPECT_EQ(with.state, without.state);
    EXPECT_THAT(with.log, Not(HasSubstr("train.cuda_graphs")));
  }
}

TEST_F(StepGraphs, ModulesThatThawAreRecordedAnew) {
  const auto settings = [](const char* graphs) {
    return document({"train.finetune_steps=16",
                     "train.freeze_module_schedules[7]={ module: \"bev_static_head.lane\" steps: 8 }", graphs});
  };
  const Trained without = run("frozen_without", settings("train.cuda_graphs=false"), 16);
  const Trained with = run("frozen_with", settings("train.cuda_graphs=true"), 16);
  const Trained frozen = run("frozen_alone", settings("train.cuda_graphs=true"));
  EXPECT_GT(frozen.graphs, 0);
  EXPECT_GT(with.graphs, frozen.graphs);
  EXPECT_EQ(with.numbers, without.numbers);
  EXPECT_EQ(with.state, without.state);
}

// A kernel's prepared copy of a weight is good for one version of it.
TEST_F(StepGraphs, ATrainedWeightIsReadInEveryReplay) {
  Generator generator(3);
  const Tensor x = ops::to(generator.normal({1, 8, 6, 5}), kGpu),
               weight = ops::to(generator.normal({4, 8, 3, 3}), kGpu);
  set_requires_grad(weight, true);
  const auto convolved = [&](const std::vector<Tensor>& in) {
    const NoGradGuard no_grad;
    return std::vector<Tensor>{conv2d(in[0], weight)};
  };
  DeviceGraph graph;
  // It is not written between the call that prepares a copy and the one that is recorded.
  for (int i = 0; i < 3; ++i) graph.run({x}, {}, convolved);
  const std::vector<double> before = convolved({x})[0].to_vector();
  const NoGradGuard no_grad;
  ops::mul_(weight, 2);
  const std::vector<double> after = graph.run({x}, {}, convolved)[0].to_vector();
  EXPECT_EQ(graph.replays(), 2);
  EXPECT_EQ(after, convolved({x})[0].to_vector());
  EXPECT_NE(after, before);
}

TEST_F(StepGraphs, WhatCannotBeRecordedIsSaidOnce) {
  const Trained accumulated = run("accumulated", document({"train.accumulate_grad_batches=2"}), 4);
  EXPECT_EQ(accumulated.graphs, 0);
  EXPECT_THAT(accumulated.log, HasSubstr("train.cuda_graphs: steps are launched one by one, not as a graph: gradients "
                                         "are accumulated"));
  const Trained typed = run("typed", document({"loss.lane_type=1"}), 4);
  EXPECT_EQ(typed.graphs, 0);
  EXPECT_THAT(typed.log, HasSubstr("not as a graph: losses of the task static cannot be recorded"));
  EXPECT_EQ(typed.log.find("train.cuda_graphs"), typed.log.rfind("train.cuda_graphs"));
}

#ifdef BEVGRAD_CUDA_EMULATED
TEST_F(StepGraphs, ARecordingThatFailsLeavesTheSameRun) {
  const Trained without = run("whole_without", document({"train.cuda_graphs=false"}));
  for (const char* call :
       {"cudaStreamBeginCapture", "cudaGraphInstantiate", "cudaGraphLaunch", "cudaStreamEndCapture"}) {
    SCOPED_TRACE(call);
    emulation::fail_call(call, cudaErrorMemoryAllocation);
    const Trained with = run(std::string("failed_") + call, document({}));
    EXPECT_EQ(with.numbers, without.numbers);
    EXPECT_EQ(with.state, without.state);
    EXPECT_THAT(with.log, HasSubstr("train.cuda_graphs: steps are launched one by one, not as a graph: "));
    EXPECT_THAT(with.log, HasSubstr(call));
    EXPECT_EQ(with.log.find("train.cuda_graphs"), with.log.rfind("train.cuda_graphs"));
  }
}
#endif

}  // namespace
}  // namespace bevgrad
