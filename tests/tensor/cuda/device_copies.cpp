// Copies beside the compute stream: in order with what uses them, with what used their memory before, and with the
// host's.
#include "tensor/device_copies.h"

#include <gtest/gtest.h>

#include "support/devices.h"
#include "tensor/allocator.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

constexpr Device kGpu{DeviceKind::CUDA, 0};
constexpr int64_t kCount = 3000;

class CopiesBeside : public ::testing::Test {
 protected:
  void SetUp() override {
    if (cuda_device_count() == 0) GTEST_SKIP() << "SKIPPED: " << cuda_problem();
  }
  void TearDown() override { set_device_caching(false); }

  static Tensor pinned(double value) {
    const Tensor host = empty_pinned({kCount});
    ops::fill_(host, value);
    return host;
  }
  /// The block that `host` gives back is the next one of its size.
  static void write_over(double value) { pinned(value); }
};

TEST_F(CopiesBeside, ArriveBeforeWhatIsQueuedNext) {
  for (int i = 1; i <= 20; ++i) {
    const Tensor host = pinned(i);
    DeviceCopies copies(kGpu);
    const Tensor x = copies.add(host);
    copies.wait();
    EXPECT_EQ(ops::sum(ops::add(x, x)).item(), 2.0 * i * kCount);
  }
}

TEST_F(CopiesBeside, TakeMemoryWhenWhatUsedItIsDone) {
  set_device_caching(true);
  for (int i = 1; i <= 20; ++i) {
    const Tensor host = pinned(i);
    Tensor sum;
    {
      const Tensor before = full({kCount}, 3, {.device = kGpu});
      sum = ops::sum(before);
    }
    DeviceCopies copies(kGpu);
    const Tensor x = copies.add(host);
    copies.wait();
    EXPECT_EQ(ops::sum(x).item(), 1.0 * i * kCount);
    EXPECT_EQ(sum.item(), 3.0 * kCount);
  }
}

TEST_F(CopiesBeside, KeepTheHostsMemoryUntilItIsRead) {
  for (int i = 1; i <= 20; ++i) {
    Tensor x;
    {
      DeviceCopies copies(kGpu);
      x = copies.add(pinned(i));
      write_over(-1);
      if (i % 2 == 0) copies.wait();
    }
    write_over(-2);
    EXPECT_EQ(ops::sum(x).item(), 1.0 * i * kCount);
  }
}

TEST_F(CopiesBeside, PlainCopiesOfPinnedMemoryReadItAtOnce) {
  for (int i = 1; i <= 20; ++i) {
    const Tensor x = ops::to(pinned(i), kGpu);
    write_over(-1);
    EXPECT_EQ(ops::sum(x).item(), 1.0 * i * kCount);
  }
}

}  // namespace
}  // namespace bevgrad
