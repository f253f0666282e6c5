// Launches: every thread runs once, in any order; limits.
#include <algorithm>

#include "support.h"

namespace bevgrad::emulation::testing {
namespace {

TEST(Launch, KernelRunsOncePerIndex) {
  Stream stream;
  for (size_t count : {1, 255, 256, 257, 100000}) {
    Array<float> values(count);
    ASSERT_OK(launch_indices(stream, static_cast<int64_t>(count), Fill{values.data, 1}));
    ASSERT_OK(launch_indices(stream, static_cast<int64_t>(count), AddNumber{values.data, values.data, 2}));
    EXPECT_EQ(to_host(values.data, count, stream), std::vector<float>(count, 3));
  }
}

__global__ void count_visits(int* visits, dim3 grid, dim3 block) {
  const unsigned block_index = (blockIdx.z * grid.y + blockIdx.y) * grid.x + blockIdx.x;
  const unsigned thread_index = (threadIdx.z * block.y + threadIdx.y) * block.x + threadIdx.x;
  const bool sizes = gridDim.x == grid.x && gridDim.y == grid.y && gridDim.z == grid.z && blockDim.x == block.x &&
                     blockDim.y == block.y && blockDim.z == block.z;
  visits[block_index * block.x * block.y * block.z + thread_index] += sizes ? 1 : 100;
}

TEST(Launch, GridsHaveThreeDimensions) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    reseed(seed);
    Stream stream;
    for (const dim3 grid : {dim3(1), dim3(7), dim3(3, 5, 2), dim3(64, 64, 3)}) {
      const dim3 block(4, 3, 2);
      const size_t count = size_t{24} * grid.x * grid.y * grid.z;
      Array<int> visits(count);
      ASSERT_OK(cudaMemsetAsync(visits.data, 0, count * sizeof(int), stream));
      cudaLaunchConfig_t config{};
      config.gridDim = grid;
      config.blockDim = block;
      config.stream = stream;
      ASSERT_OK(cudaLaunchKernelEx(&config, count_visits, visits.data, grid, block));
      EXPECT_EQ(to_host(visits.data, count, stream), std::vector<int>(count, 1));
    }
  }
}

__global__ void last_block(unsigned* last) {
  *last = blockIdx.x;
}

TEST(Launch, BlocksRunInNoParticularOrder) {
  Stream stream;
  Array<unsigned> last(1);
  std::vector<unsigned> seen;
  for (int i = 0; i < 20; ++i) {
    cudaLaunchConfig_t config{};
    config.gridDim = dim3(100);
    config.blockDim = dim3(1);
    config.stream = stream;
    ASSERT_OK(cudaLaunchKernelEx(&config, last_block, last.data));
    seen.push_back(to_host(last.data, 1, stream)[0]);
  }
  EXPECT_NE(std::ranges::min(seen), std::ranges::max(seen));
}

TEST(Launch, LimitsAreThoseOfADevice) {
  Stream stream;
  Array<unsigned> last(1);
  const auto launch = [&](dim3 grid, dim3 block, size_t shared = 0) {
    cudaLaunchConfig_t config{};
    config.gridDim = grid;
    config.blockDim = block;
    config.dynamicSmemBytes = shared;
    config.stream = stream;
    const cudaError_t result = cudaLaunchKernelEx(&config, last_block, last.data);
    EXPECT_EQ(cudaGetLastError(), result);
    return result;
  };
  EXPECT_OK(launch(1, 1024));
  EXPECT_EQ(launch(1, 1025), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch(1, dim3(32, 33)), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch(1, dim3(1, 1, 65)), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch(0, 256), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch(1, 0), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch(dim3(1, 65536), 1), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch(dim3(1, 1, 65536), 1), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch(dim3(0x80000000u), 1), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch(1, 1, 48 * 1024 + 1), cudaErrorInvalidConfiguration);
  ASSERT_OK(cudaStreamSynchronize(stream));
}

struct Large {
  char bytes[5000];
  void operator()(int64_t) const {}
};

TEST(Launch, ArgumentsHaveALimit) {
  Stream stream;
  EXPECT_DEATH(launch_indices(stream, 1, Large{}), "has 5008 bytes of arguments, more than 4096");
}

TEST(Launch, ArgumentsAreTakenAtTheCall) {
  Stream stream;
  Array<float> values(1);
  Fill fill{values.data, 1};
  ASSERT_OK(launch_indices(stream, 1, fill));
  fill.value = 2;
  EXPECT_EQ(to_host(values.data, 1, stream)[0], 1);
}

__global__ void call_the_runtime(int) {
  static_cast<void>(cudaSetDevice(0));
}

TEST(Launch, KernelsDoNotCallTheRuntime) {
  Stream stream;
  cudaLaunchConfig_t config{};
  config.stream = stream;
  EXPECT_DEATH(
      {
        static_cast<void>(cudaLaunchKernelEx(&config, call_the_runtime, 1));
        static_cast<void>(cudaStreamSynchronize(stream));
      },
      "cudaSetDevice: called from a kernel or a host function");
}

}  // namespace
}  // namespace bevgrad::emulation::testing
