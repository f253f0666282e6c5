// Copies: directions, ranges, and when the host's side is read and written.
#include <cmath>
#include <numeric>

#include "support.h"

namespace bevgrad::emulation::testing {
namespace {

TEST(Copies, GoEveryWay) {
  Stream stream;
  std::vector<float> source(1000);
  std::iota(source.begin(), source.end(), 0.0f);
  Array<float> first(1000);
  Array<float> second(1000);
  ASSERT_OK(cudaMemcpyAsync(first.data, source.data(), 4000, cudaMemcpyHostToDevice, stream));
  ASSERT_OK(cudaMemcpyAsync(second.data, first.data, 4000, cudaMemcpyDeviceToDevice, stream));
  EXPECT_EQ(to_host(second.data, 1000, stream), source);
  std::vector<float> again(1000);
  ASSERT_OK(cudaMemcpy(again.data(), second.data, 4000, cudaMemcpyDefault));
  EXPECT_EQ(again, source);
  ASSERT_OK(cudaMemsetAsync(second.data, 0, 2000, stream));
  EXPECT_EQ(to_host(second.data, 1000, stream)[499], 0);
  EXPECT_EQ(to_host(second.data, 1000, stream)[500], 500);
  EXPECT_OK(cudaMemcpyAsync(nullptr, nullptr, 0, cudaMemcpyHostToDevice, stream));
}

TEST(Copies, DirectionIsThatOfThePointers) {
  Stream stream;
  std::vector<float> host(4);
  Array<float> values(4);
  EXPECT_DEATH(cudaMemcpyAsync(values.data, values.data, 16, cudaMemcpyHostToDevice, stream),
               "wrong direction: cudaMemcpyHostToDevice from device memory");
  EXPECT_DEATH(cudaMemcpyAsync(host.data(), host.data(), 16, cudaMemcpyHostToDevice, stream),
               "wrong direction: cudaMemcpyHostToDevice to host memory");
  EXPECT_DEATH(cudaMemcpyAsync(values.data, host.data(), 16, cudaMemcpyDeviceToDevice, stream),
               "wrong direction: cudaMemcpyDeviceToDevice from host memory");
  EXPECT_DEATH(cudaMemcpyAsync(values.data, host.data(), 16, cudaMemcpyDeviceToHost, stream),
               "wrong direction: cudaMemcpyDeviceToHost to device memory");
  EXPECT_DEATH(cudaMemcpyAsync(host.data(), values.data, 16, cudaMemcpyHostToHost, stream),
               "wrong direction: cudaMemcpyHostToHost from device memory");
  EXPECT_DEATH(cudaMemsetAsync(host.data(), 0, 16, stream), "host pointer: cudaMemsetAsync");
}

TEST(Copies, StayWithinTheAllocation) {
  Stream stream;
  std::vector<float> host(8);
  Array<float> values(4);
  EXPECT_DEATH(cudaMemcpyAsync(values.data + 1, host.data(), 16, cudaMemcpyHostToDevice, stream),
               "out of bounds: a copy touches bytes 4 to 20 of an allocation of 16 bytes on device 0");
  EXPECT_DEATH(cudaMemsetAsync(values.data, 0, 17, stream), "out of bounds: cudaMemsetAsync touches bytes 0 to 17");
}

TEST(Copies, PageableMemoryIsReadAtOnce) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    reseed(seed);
    Stream stream;
    Array<float> values(1);
    float number = 1;
    ASSERT_OK(cudaMemcpyAsync(values.data, &number, 4, cudaMemcpyHostToDevice, stream));
    number = 2;
    EXPECT_EQ(to_host(values.data, 1, stream)[0], 1);
  }
}

TEST(Copies, PageLockedMemoryIsReadLate) {
  Stream stream;
  Array<float> values(100);
  Pinned<float> staging(100);
  for (size_t i = 0; i < 100; ++i) staging.data[i] = 1;
  reseed(1);
  EXPECT_DEATH(
      {
        static_cast<void>(cudaMemcpyAsync(values.data, staging.data, 400, cudaMemcpyHostToDevice, stream));
        staging.data[50] = 2;  // the copy may not be done
        static_cast<void>(cudaStreamSynchronize(stream));
      },
      "changed too early: the host wrote to 400 bytes of page-locked memory before the copy of 400 bytes from it was "
      "done");
  ASSERT_OK(cudaMemcpyAsync(values.data, staging.data, 400, cudaMemcpyHostToDevice, stream));
  ASSERT_OK(cudaStreamSynchronize(stream));
  staging.data[50] = 2;
  EXPECT_EQ(to_host(values.data, 100, stream)[50], 1);
}

TEST(Copies, PageLockedMemoryIsWrittenLate) {
  int late = 0;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    reseed(seed);
    Stream stream;
    Array<float> values(100);
    Pinned<float> result(100);
    for (size_t i = 0; i < 100; ++i) result.data[i] = 0;
    ASSERT_OK(launch_indices(stream, 100, Fill{values.data, 1}));
    ASSERT_OK(cudaMemcpyAsync(result.data, values.data, 400, cudaMemcpyDeviceToHost, stream));
    if (result.data[50] != 1) {
      ++late;
      EXPECT_TRUE(std::isnan(result.data[50]));  // neither the old number nor the new one
    }
    ASSERT_OK(cudaStreamSynchronize(stream));
    EXPECT_EQ(result.data[50], 1);
  }
  EXPECT_GT(late, 0);
}

// Down and up again through one staging buffer, in stream order, is fine.
TEST(Copies, StagingBuffersCanBeReusedWithinAStream) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    reseed(seed);
    Stream stream;
    Array<float> first(100);
    Array<float> second(100);
    Pinned<float> staging(100);
    for (int round = 0; round < 20; ++round) {
      ASSERT_OK(launch_indices(stream, 100, Fill{first.data, static_cast<float>(round)}));
      ASSERT_OK(cudaMemcpyAsync(staging.data, first.data, 400, cudaMemcpyDeviceToHost, stream));
      ASSERT_OK(cudaMemcpyAsync(second.data, staging.data, 400, cudaMemcpyHostToDevice, stream));
      ASSERT_OK(launch_indices(stream, 100, AddNumber{first.data, second.data, 1}));
    }
    EXPECT_EQ(to_host(first.data, 100, stream), std::vector<float>(100, 20));
  }
}

TEST(Copies, PageLockedMemoryIsNotGivenBackTooEarly) {
  Stream stream;
  Array<float> values(100);
  float* staging = nullptr;
  ASSERT_OK(cudaHostAlloc(reinterpret_cast<void**>(&staging), 400, cudaHostAllocPortable));
  for (size_t i = 0; i < 100; ++i) staging[i] = 1;
  reseed(1);
  ASSERT_OK(cudaMemcpyAsync(values.data, staging, 400, cudaMemcpyHostToDevice, stream));
  EXPECT_DEATH(cudaFreeHost(staging), "missing synchronisation: cudaFreeHost of 400 bytes of page-locked memory");
  ASSERT_OK(cudaStreamSynchronize(stream));
  EXPECT_OK(cudaFreeHost(staging));
}

TEST(Copies, TwoStreamsShareAStagingBufferOnlyInOrder) {
  const auto run = [] {
    Stream down;
    Stream up;
    Array<float> values(100);
    Pinned<float> staging(100);
    EXPECT_OK(launch_indices(down, 100, Fill{values.data, 1}));
    EXPECT_OK(cudaMemcpyAsync(staging.data, values.data, 400, cudaMemcpyDeviceToHost, down));
    Array<float> target(100);
    EXPECT_OK(cudaMemcpyAsync(target.data, staging.data, 400, cudaMemcpyHostToDevice, up));
    EXPECT_OK(cudaStreamSynchronize(up));
    EXPECT_OK(cudaStreamSynchronize(down));
  };
  EXPECT_DEATH(run(), "missing synchronisation: a copy on stream .* of 400 bytes of page-locked memory, which a copy");
}

}  // namespace
}  // namespace bevgrad::emulation::testing
