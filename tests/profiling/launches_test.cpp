// What a step asks of a GPU, as the emulated device counts it. The limits are what it takes today: a change that goes
// over one makes every step slower, on every GPU.
#ifdef BEVGRAD_CUDA_EMULATED
#include <gtest/gtest.h>

#include <iostream>

#include "autograd/functions.h"
#include "emulation/control.h"
#include "nn/batch_norm.h"
#include "profiling/benches.h"
#include "tensor/allocator.h"
#include "tensor/device_counts.h"
#include "tensor/random.h"
#include "train/tiny_run.h"
#include "train/trainer.h"

namespace bevgrad {
namespace {

constexpr Device kGpu{DeviceKind::CUDA, 0};

double value_of(const std::vector<Figure>& figures, const std::string& name) {
  for (const Figure& figure : figures)
    if (figure.name == name) return figure.value;
  ADD_FAILURE() << "no figure " << name;
  return 0;
}

class Launches : public ::testing::Test {
 protected:
  void TearDown() override {
    set_device_caching(false);
    empty_cache(kGpu);
  }
};

TEST_F(Launches, BatchNormalisationIsThreeEachWay) {
  Generator generator(1);
  for (const Shape& sizes : std::vector<Shape>{{2, 8, 5, 7}, {16, 64, 40, 40}, {3, 6, 50, 50}}) {
    BatchNorm norm(sizes[1]);
    norm.move_to(kGpu);
    norm.set_training(true);
    Tensor x = ops::to(ops::contiguous(generator.uniform(sizes), MemoryFormat::ChannelsLast), kGpu);
    set_requires_grad(x, true);
    const Tensor dy = ops::to(ops::contiguous(generator.uniform(sizes), MemoryFormat::ChannelsLast), kGpu);
    const int64_t before = emulation::calls_of("cudaLaunchKernelEx");
    const Tensor y = norm.forward(x);
    const int64_t forward = emulation::calls_of("cudaLaunchKernelEx");
    backward(y, dy);
    EXPECT_EQ(forward - before, 3);
    EXPECT_EQ(emulation::calls_of("cudaLaunchKernelEx") - forward, 3);
  }
}

TEST_F(Launches, OfACachedStepTwoWithoutAGraph) {
  const configs::Document document = TinyData::get().document("mini_step2_static", {"train.cuda_graphs=false"});
  const std::vector<Figure> figures =
      bench_launches(document, {.batch = 16, .cached = true, .trace = "", .device = kGpu});
  std::cout << to_table(figures);
  EXPECT_LE(value_of(figures, "kernel launches"), 180);
  EXPECT_EQ(value_of(figures, "host waits"), 1);
  EXPECT_EQ(value_of(figures, "driver allocations"), 0);
}

TEST_F(Launches, OfACachedStepTwo) {
  const configs::Document document = TinyData::get().document("mini_step2_static");
  const std::vector<Figure> figures =
      bench_launches(document, {.batch = 16, .cached = true, .trace = "", .device = kGpu});
  std::cout << to_table(figures);
  EXPECT_LE(value_of(figures, "kernel launches"), 20);
  EXPECT_EQ(value_of(figures, "graph launches"), 1);
  EXPECT_EQ(value_of(figures, "host waits"), 1);
  EXPECT_EQ(value_of(figures, "driver allocations"), 0);
}

TEST_F(Launches, OfStepOne) {
  const configs::Document document = TinyData::get().document("mini_step1");
  const std::vector<Figure> figures = bench_launches(document, {.batch = 2, .trace = "", .device = kGpu});
  std::cout << to_table(figures);
  EXPECT_LE(value_of(figures, "kernel launches"), 740);
  EXPECT_EQ(value_of(figures, "host waits"), 1);
  EXPECT_EQ(value_of(figures, "driver allocations"), 0);
}

TEST_F(Launches, ATrainerWaitsOnceABatch) {
  set_device_caching(true);
  // One batch of the static task and one of the dynamic one.
  const configs::Document document = TinyData::get().document("mini_step1", {"train.train_steps=6"});
  const auto group = make_single_process_group();
  const std::string folder = TinyData::get().path("launches");
  Trainer trainer(document, {.work_dir = folder, .resume = "", .pretrain = "", .quiet = true, .device = kGpu}, *group);
  for (int i = 0; i < 3; ++i) trainer.step();
  const DeviceCounts before = device_counts();
  trainer.step();
  const DeviceCounts step = device_counts() - before;
  EXPECT_EQ(step[DeviceWork::Wait], 2);
}

}  // namespace
}  // namespace bevgrad
#endif
