// The cache of a GPU's memory.
#ifdef BEVGRAD_CUDA_EMULATED
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/error.h"
#include "emulation/control.h"
#include "tensor/allocator.h"
#include "tensor/device_counts.h"
#include "tensor/device_graph.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

using ::testing::HasSubstr;

constexpr Device kGpu{DeviceKind::CUDA, 0};

int64_t driver_allocations() {
  return emulation::calls_of("cudaMallocAsync") + emulation::calls_of("cudaFreeAsync");
}

class DeviceCache : public ::testing::Test {
 protected:
  void SetUp() override {
    synchronize(kGpu);
    set_device_caching(true);
    empty_cache(kGpu);
  }
  void TearDown() override {
    set_device_caching(false);
    empty_cache(kGpu);
  }
};

TEST_F(DeviceCache, BlocksAreHandedOutAgainWithoutTheDriver) {
  const auto step = [] {
    const Tensor x = ones({3, 1000}, {.device = kGpu});
    return ops::sum(ops::mul(ops::add(x, x), x)).item();
  };
  EXPECT_EQ(step(), 6000);
  const int64_t before = driver_allocations();
  const DeviceCounts counts = device_counts();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(step(), 6000);
  EXPECT_EQ(driver_allocations(), before);
  EXPECT_EQ((device_counts() - counts)[DeviceWork::DriverAllocation], 0);
}

TEST_F(DeviceCache, NearSizesShareABlock) {
  const void* first = allocate(1000000, kGpu).get();
  EXPECT_EQ(allocate(1000001, kGpu).get(), first);
  EXPECT_NE(allocate(1300000, kGpu).get(), first);
}

TEST_F(DeviceCache, BytesInUseAreThoseThatWereAskedFor) {
  const size_t before = memory_stats(kGpu).in_use;
  {
    const auto block = allocate(1000000, kGpu);
    EXPECT_EQ(memory_stats(kGpu).in_use, before + 1000192);  // in units of 256
  }
  EXPECT_EQ(memory_stats(kGpu).in_use, before);
  EXPECT_GE(memory_stats(kGpu).cached, 1000000u);
}

TEST_F(DeviceCache, IsGivenBackWhereTheDeviceIsFull) {
  allocate(1000000, kGpu);
  emulation::fail_call("cudaMallocAsync", cudaErrorMemoryAllocation);
  const int64_t before = emulation::calls_of("cudaFreeAsync"),
                of_graphs = emulation::calls_of("cudaDeviceGraphMemTrim");
  EXPECT_NE(allocate(5000000, kGpu), nullptr);
  EXPECT_GT(emulation::calls_of("cudaFreeAsync"), before);
  EXPECT_GT(emulation::calls_of("cudaDeviceGraphMemTrim"), of_graphs) << "what graphs keep between their launches";
}

TEST_F(DeviceCache, AFullDeviceIsOneLine) {
  const auto held = allocate(1000000, kGpu);
  try {
    allocate(size_t{1} << 40, kGpu);
    FAIL() << "a TiB was there";
  } catch (const Error& error) {
    const std::string line = error.what();
    EXPECT_THAT(line, HasSubstr("out of memory on cuda:0: could not allocate 1099511627776 bytes"));
    EXPECT_THAT(line, HasSubstr("bytes are in use by this process's tensors"));
    EXPECT_THAT(line, HasSubstr("a smaller batch needs less"));
    EXPECT_EQ(line.find('\n'), std::string::npos);
  }
  EXPECT_EQ(ops::sum(ones({4}, {.device = kGpu})).item(), 4) << "the device is of use afterwards";
}

TEST_F(DeviceCache, AGraphKeepsItsOwnMemory) {
  DeviceGraph graph;
  const Tensor x = ones({3, 50}, {.device = kGpu});
  for (int i = 0; i < 4; ++i) {
    const Tensor y = graph.run({x}, {}, [](const std::vector<Tensor>& in) {
      return std::vector<Tensor>{ops::add(ops::mul(in[0], 2), in[0])};
    })[0];
    // What the graph uses must not be handed to others.
    const Tensor other = full({3, 50}, 7, {.device = kGpu});
    EXPECT_EQ(ops::sum(y).item(), 450);
    EXPECT_EQ(ops::sum(other).item(), 1050);
  }
  EXPECT_EQ(graph.replays(), 2);
}

TEST_F(DeviceCache, OfManyThreads) {
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 1; t <= 4; ++t)
    threads.emplace_back([t, &wrong] {
      for (int i = 0; i < 50; ++i) {
        const Tensor x = full({100 + t}, t, {.device = kGpu});
        wrong += ops::sum(ops::add(x, x)).item() != 2.0 * t * (100 + t);
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

// What `bench launches` prints is what the runtime was asked for.
TEST(DeviceCounts, AreTheCallsOfTheRuntime) {
  const auto calls = [](std::initializer_list<const char*> functions) {
    int64_t sum = 0;
    for (const char* function : functions) sum += emulation::calls_of(function);
    return sum;
  };
  const auto all = [&] {
    return std::vector<int64_t>{calls({"cudaLaunchKernelEx"}),
                                calls({"cudnnBackendExecute", "cublasLtMatmul"}),
                                calls({"cudaMemsetAsync"}),
                                calls({"cudaMemcpyAsync"}),
                                calls({"cudaStreamSynchronize", "cudaEventSynchronize", "cudaDeviceSynchronize"}),
                                calls({"cudaMallocAsync", "cudaFreeAsync", "cudaMallocHost"})};
  };
  const auto counted = [] {
    const DeviceCounts now = device_counts();
    using enum DeviceWork;
    return std::vector<int64_t>{now[Launch], now[LibraryCall],
                                now[Fill],   now[CopyToDevice] + now[CopyToHost] + now[CopyOnDevice],
                                now[Wait],   now[DriverAllocation]};
  };
  synchronize(kGpu);
  const std::vector<int64_t> calls_before = all(), counted_before = counted();
  {
    const Tensor x = ones({8, 16}, {.device = kGpu}), y = zeros({16, 8}, {.device = kGpu});
    ops::matmul(x, ops::add(y, y)).to_vector();
    ops::to(ones({40}), kGpu);
    synchronize(kGpu);
  }
  std::vector<int64_t> called = all(), count = counted();
  for (size_t i = 0; i < called.size(); ++i) {
    called[i] -= calls_before[i];
    count[i] -= counted_before[i];
  }
  EXPECT_EQ(count, called);
  EXPECT_GT(count[0], 0);
  EXPECT_EQ(count[1], 1);
  EXPECT_EQ(count[4], 2);
}

}  // namespace
}  // namespace bevgrad
#endif
