// Which devices a process touches: a context on another one costs its owner half a GB.
#ifdef BEVGRAD_CUDA_EMULATED
#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>

#include "emulation/control.h"
#include "support/conv_problem.h"
#include "tensor/device_copies.h"
#include "tensor/device_graph.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

// What a rank with the second device does, with threads that have chosen none.
[[noreturn]] void work_on_the_second_device() {
  const Device device{DeviceKind::CUDA, 1};
  synchronize(device);
  const ConvRun run = make_conv({2, 16, 6, 11, 32, 3, 1, 1}).to(device, DType::Float32);
  std::thread([&] {
    Tensor batch;
    {
      DeviceCopies copies(device);
      const Tensor host = empty_pinned({4, 5}, {DType::Float32});
      ops::fill_(host, 1);
      batch = copies.add(host);
      copies.wait();
    }
    run.forward({run.scale, run.shift, run.residual, true}).to_vector();
    ops::matmul(ones({4, 5}, {.device = device}), ones({5, 3}, {.device = device})).to_vector();
    const Tensor on_host = ops::to(batch, Device());
    std::thread([held = std::move(batch)]() mutable { held = Tensor(); }).join();  // freed by yet another thread
  }).join();
  DeviceGraph graph;
  graph.run({run.x}, {1}, [](const std::vector<Tensor>& x) { return std::vector<Tensor>{ops::relu(x[0])}; });
  synchronize(device);
  std::exit(emulation::devices_with_context() == std::vector<int>{1} ? 0 : 1);
}

TEST(Contexts, AProcessTouchesItsOwnDeviceAlone) {
  if (cuda_device_count() < 2) GTEST_SKIP() << "SKIPPED: one device (BEVGRAD_EMULATED_DEVICES)";
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(work_on_the_second_device(), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace bevgrad
#endif
