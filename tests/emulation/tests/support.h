// What the tests of the emulated device share: kernels, and owners of handles.
#pragma once
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "emulation/control.h"

namespace bevgrad::emulation::testing {

#define EXPECT_OK(call) EXPECT_EQ(call, cudaSuccess)
#define ASSERT_OK(call) ASSERT_EQ(call, cudaSuccess)

/// Runs functor(i) for every index, as the project's launch() does.
template <class F>
__global__ void run_indices(int64_t count, F functor) {
  const int64_t step = int64_t{gridDim.x} * blockDim.x;
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += step) functor(i);
}

template <class F>
cudaError_t launch_indices(cudaStream_t stream, int64_t count, const F& functor) {
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>((count + 255) / 256));
  config.blockDim = dim3(256);
  config.stream = stream;
  return cudaLaunchKernelEx(&config, run_indices<F>, count, functor);
}

struct Fill {
  float* to;
  float value;
  void operator()(int64_t i) const { to[i] = value; }
};

struct Iota {
  float* to;
  void operator()(int64_t i) const { to[i] = static_cast<float>(i); }
};

/// to = from + value
struct AddNumber {
  float* to;
  const float* from;
  float value;
  void operator()(int64_t i) const { to[i] = from[i] + value; }
};

struct Stream {
  Stream() { EXPECT_OK(cudaStreamCreateWithFlags(&handle, cudaStreamNonBlocking)); }
  ~Stream() { EXPECT_OK(cudaStreamDestroy(handle)); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  operator cudaStream_t() const { return handle; }

  cudaStream_t handle = nullptr;
};

struct Event {
  explicit Event(unsigned flags = cudaEventDisableTiming) { EXPECT_OK(cudaEventCreateWithFlags(&handle, flags)); }
  ~Event() { EXPECT_OK(cudaEventDestroy(handle)); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  operator cudaEvent_t() const { return handle; }

  cudaEvent_t handle = nullptr;
};

/// Elements of device memory, from cudaMalloc.
template <class T>
struct Array {
  explicit Array(size_t count) : count(count) {
    EXPECT_OK(cudaMalloc(reinterpret_cast<void**>(&data), count * sizeof(T)));
  }
  ~Array() { EXPECT_OK(cudaFree(data)); }
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;

  T* data = nullptr;
  size_t count;
};

/// Page-locked elements.
template <class T>
struct Pinned {
  explicit Pinned(size_t count) : count(count) {
    EXPECT_OK(cudaMallocHost(reinterpret_cast<void**>(&data), count * sizeof(T)));
  }
  ~Pinned() { EXPECT_OK(cudaFreeHost(data)); }
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;

  T* data = nullptr;
  size_t count;
};

template <class T>
std::vector<T> to_host(const T* from, size_t count, cudaStream_t stream) {
  std::vector<T> result(count);
  EXPECT_OK(cudaMemcpyAsync(result.data(), from, count * sizeof(T), cudaMemcpyDeviceToHost, stream));
  return result;
}

inline constexpr uint64_t kSeeds = 8;

}  // namespace bevgrad::emulation::testing
