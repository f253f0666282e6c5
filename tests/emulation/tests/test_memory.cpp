// Memory: given back twice, used afterwards, read before anything was written, limits and figures.
#include <algorithm>
#include <cmath>
#include <limits>

#include "emulation/operation.h"
#include "support.h"

namespace bevgrad::emulation::testing {
namespace {

float* allocate_async(size_t count, cudaStream_t stream) {
  void* data = nullptr;
  EXPECT_OK(cudaMallocAsync(&data, count * sizeof(float), stream));
  return static_cast<float*>(data);
}

TEST(Free, TwiceIsRefused) {
  Stream stream;
  float* plain = nullptr;
  ASSERT_OK(cudaMalloc(reinterpret_cast<void**>(&plain), 64));
  ASSERT_OK(cudaFree(plain));
  EXPECT_DEATH(cudaFree(plain), "double free: cudaFree: an allocation of 64 bytes on device 0");

  float* pooled = allocate_async(16, stream);
  ASSERT_OK(cudaFreeAsync(pooled, stream));
  EXPECT_DEATH(cudaFreeAsync(pooled, stream), "double free: cudaFreeAsync: an allocation of 64 bytes on device 0");

  float* host = nullptr;
  ASSERT_OK(cudaMallocHost(reinterpret_cast<void**>(&host), 64));
  ASSERT_OK(cudaFreeHost(host));
  EXPECT_DEATH(cudaFreeHost(host), "double free: cudaFreeHost");
}

TEST(Free, OnlyTheStartOfAnAllocationCanBeGivenBack) {
  Stream stream;
  float* data = allocate_async(16, stream);
  std::vector<float> host(16);
  EXPECT_DEATH(cudaFreeAsync(data + 1, stream), "is byte 4 of an allocation of 64 bytes on device 0, not its start");
  EXPECT_DEATH(cudaFree(host.data()), "is no device memory");
  ASSERT_OK(cudaFreeAsync(data, stream));
  EXPECT_OK(cudaFree(nullptr));
  EXPECT_OK(cudaFreeHost(nullptr));
}

TEST(UseAfterFree, KernelsCopiesAndFillsAreRefused) {
  Stream stream;
  float* data = allocate_async(16, stream);
  ASSERT_OK(launch_indices(stream, 16, Fill{data, 1}));
  ASSERT_OK(cudaFreeAsync(data, stream));
  const char* message = "use after free: .* gets byte 0 of an allocation of 64 bytes on device 0, which was given back";
  EXPECT_DEATH(launch_indices(stream, 16, Fill{data, 1}), message);
  EXPECT_DEATH(to_host(data, 16, stream), message);
  EXPECT_DEATH(cudaMemsetAsync(data, 0, 64, stream), message);
}

TEST(UseAfterFree, OfPlainMemoryIsRefused) {
  Stream stream;
  float* data = nullptr;
  ASSERT_OK(cudaMalloc(reinterpret_cast<void**>(&data), 64));
  ASSERT_OK(cudaFree(data));
  EXPECT_DEATH(launch_indices(stream, 16, Fill{data, 1}), "use after free");
}

TEST(UseAfterFree, AnAddressRestsBeforeItIsHandedOutAgain) {
  Stream stream;
  float* data = allocate_async(16, stream);
  ASSERT_OK(cudaFreeAsync(data, stream));
  ASSERT_OK(cudaStreamSynchronize(stream));
  float* next = allocate_async(16, stream);
  EXPECT_NE(data, next);
  ASSERT_OK(cudaFreeAsync(next, stream));
}

// The buffers of a loop do not grow without end, and each starts without the numbers of the one before it.
TEST(Reuse, MemoryComesBackUnwritten) {
  Stream stream;
  std::vector<float*> seen;
  bool again = false;
  constexpr size_t kCount = size_t{1} << 20;
  for (int round = 0; round < 40; ++round) {
    float* data = allocate_async(kCount, stream);
    again = again || std::ranges::find(seen, data) != seen.end();
    seen.push_back(data);
    bool fresh = false;
    ASSERT_OK(enqueue(stream, {"a look", {}, [&] { fresh = unwritten(data, kCount * sizeof(float)); }, {}}));
    ASSERT_OK(launch_indices(stream, kCount, Fill{data, 1}));
    ASSERT_OK(cudaFreeAsync(data, stream));
    ASSERT_OK(cudaStreamSynchronize(stream));
    ASSERT_TRUE(fresh) << round;
  }
  EXPECT_TRUE(again);
}

// Sizes that come and go do not pile up, and what the system took back in between is unwritten again, too.
TEST(Reuse, LargeMemoryOfManySizesComesBackUnwritten) {
  Stream stream;
  for (int round = 0; round < 2; ++round) {
    for (size_t megabytes = 50; megabytes < 250; megabytes += 50) {
      const size_t bytes = megabytes << 20;
      void* data = nullptr;
      ASSERT_OK(cudaMallocAsync(&data, bytes, stream));
      bool fresh = false;
      ASSERT_OK(enqueue(stream, {"a look", {}, [&] { fresh = unwritten(data, bytes); }, {}}));
      ASSERT_OK(cudaMemsetAsync(data, 0, bytes, stream));
      ASSERT_OK(cudaFreeAsync(data, stream));
      ASSERT_OK(cudaStreamSynchronize(stream));
      EXPECT_TRUE(fresh) << round << " " << megabytes;
    }
  }
}

TEST(ReadBeforeWrite, IsNanInEveryKernel) {
  Stream stream;
  Array<float> fresh(16);
  Array<int> nans(16);
  struct CountNans {
    int* to;
    const float* from;
    void operator()(int64_t i) const {
      const double widened = reinterpret_cast<const double*>(from)[i / 2];
      to[i] = std::isnan(from[i]) + std::isnan(widened) + std::isnan(from[i] * 2 + 1);
    }
  };
  ASSERT_OK(launch_indices(stream, 16, CountNans{nans.data, fresh.data}));
  EXPECT_EQ(to_host(nans.data, 16, stream), std::vector<int>(16, 3));
}

TEST(ReadBeforeWrite, ACopyToTheHostIsRefused) {
  Stream stream;
  Array<float> values(16);
  ASSERT_OK(launch_indices(stream, 15, Fill{values.data, 1}));
  EXPECT_EQ(to_host(values.data, 15, stream), std::vector<float>(15, 1));
  EXPECT_DEATH(to_host(values.data, 16, stream),
               "read before write: a copy to the host of 64 bytes finds memory at byte 60");
}

TEST(ReadBeforeWrite, WhatWasComputedFromItIsRefusedToo) {
  Stream stream;
  Array<float> fresh(16);
  Array<float> result(16);
  EXPECT_DEATH(
      {
        static_cast<void>(launch_indices(stream, 16, AddNumber{result.data, fresh.data, 1}));
        to_host(result.data, 16, stream);
      },
      "read before write: a copy to the host");
}

TEST(ReadBeforeWrite, ACopyOnTheDeviceIsRefused) {
  Stream stream;
  Array<float> fresh(16);
  Array<float> result(16);
  EXPECT_DEATH(
      {
        static_cast<void>(cudaMemcpyAsync(result.data, fresh.data, 64, cudaMemcpyDeviceToDevice, stream));
        static_cast<void>(cudaStreamSynchronize(stream));
      },
      "read before write: a copy of 64 bytes from memory that nothing was written to");
}

TEST(ReadBeforeWrite, FreshMemoryOfTheHostIsNanAsWell) {
  Pinned<float> values(16);
  for (int i = 0; i < 16; ++i) EXPECT_TRUE(std::isnan(values.data[i]));
}

TEST(ReadBeforeWrite, NansThatWereWrittenAreFine) {
  Stream stream;
  Array<float> values(16);
  ASSERT_OK(launch_indices(stream, 16, Fill{values.data, std::numeric_limits<float>::quiet_NaN()}));
  EXPECT_TRUE(std::isnan(to_host(values.data, 16, stream)[7]));
  ASSERT_OK(cudaMemsetAsync(values.data, 0xff, 64, stream));
  EXPECT_TRUE(std::isnan(to_host(values.data, 16, stream)[7]));
}

TEST(Limits, AFullDeviceSaysSo) {
  Stream stream;
  size_t free = 0;
  size_t total = 0;
  ASSERT_OK(cudaMemGetInfo(&free, &total));
  EXPECT_EQ(total, size_t{8} << 30);
  void* data = nullptr;
  EXPECT_EQ(cudaMalloc(&data, total + 1), cudaErrorMemoryAllocation);
  EXPECT_EQ(data, nullptr);
  EXPECT_EQ(cudaGetLastError(), cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  EXPECT_EQ(cudaMallocAsync(&data, total + 1, stream), cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaMallocAsync(&data, 0, stream), cudaErrorInvalidValue);
  EXPECT_OK(cudaMalloc(&data, 0));
}

TEST(Limits, ComeFromTheEnvironment) {
  EXPECT_EXIT(
      {
        setenv("BEVGRAD_EMULATED_MEMORY", "1000000", 1);
        void* first = nullptr;
        void* second = nullptr;
        const bool good = cudaMalloc(&first, 600000) == cudaSuccess &&
                          cudaMalloc(&second, 600000) == cudaErrorMemoryAllocation && cudaFree(first) == cudaSuccess &&
                          cudaMalloc(&second, 600000) == cudaSuccess;
        exit(good ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(Leaks, AreRefusedWhereAskedFor) {
  const auto end_with = [](bool leak) {
    setenv("BEVGRAD_EMULATION_LEAKS", "1", 1);
    void* data = nullptr;
    EXPECT_OK(cudaMalloc(&data, 64));
    if (!leak) static_cast<void>(cudaFree(data));
    exit(0);
  };
  EXPECT_DEATH(end_with(true),
               "leak: at the end of the process 1 allocations were not given back, among them an allocation of 64");
  EXPECT_EXIT(end_with(false), ::testing::ExitedWithCode(0), "");
}

uint64_t figure(cudaMemPool_t pool, cudaMemPoolAttr attribute) {
  uint64_t value = 0;
  EXPECT_OK(cudaMemPoolGetAttribute(pool, attribute, &value));
  return value;
}

TEST(Pool, CountsWhatIsUsedAndKept) {
  Stream stream;
  cudaMemPool_t pool = nullptr;
  ASSERT_OK(cudaDeviceGetDefaultMemPool(&pool, 0));
  EXPECT_EQ(cudaDeviceGetDefaultMemPool(&pool, 4), cudaErrorInvalidDevice);
  uint64_t everything = UINT64_MAX;
  ASSERT_OK(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &everything));
  ASSERT_OK(cudaMemPoolTrimTo(pool, 0));
  const uint64_t before = figure(pool, cudaMemPoolAttrUsedMemCurrent);
  float* data = allocate_async(1000, stream);
  EXPECT_EQ(figure(pool, cudaMemPoolAttrUsedMemCurrent), before + 4000);
  ASSERT_OK(cudaFreeAsync(data, stream));
  EXPECT_EQ(figure(pool, cudaMemPoolAttrUsedMemCurrent), before);
  EXPECT_EQ(figure(pool, cudaMemPoolAttrReservedMemCurrent), before + 4000);
  EXPECT_GE(figure(pool, cudaMemPoolAttrReservedMemHigh), before + 4000);
  ASSERT_OK(cudaMemPoolTrimTo(pool, 0));
  EXPECT_EQ(figure(pool, cudaMemPoolAttrReservedMemCurrent), before);
}

TEST(Pointers, TellWhatTheyPointTo) {
  Array<float> values(4);
  Pinned<float> pinned(4);
  float plain = 0;
  cudaPointerAttributes attributes{};
  ASSERT_OK(cudaPointerGetAttributes(&attributes, values.data));
  EXPECT_EQ(attributes.type, cudaMemoryTypeDevice);
  EXPECT_EQ(attributes.device, 0);
  ASSERT_OK(cudaPointerGetAttributes(&attributes, pinned.data + 1));
  EXPECT_EQ(attributes.type, cudaMemoryTypeHost);
  ASSERT_OK(cudaPointerGetAttributes(&attributes, &plain));
  EXPECT_EQ(attributes.type, cudaMemoryTypeUnregistered);
  EXPECT_EQ(bytes_behind(values.data + 1), 12u);
  EXPECT_EQ(bytes_behind(&plain), 0u);
}

}  // namespace
}  // namespace bevgrad::emulation::testing
