// The kernel of launch(): one thread an index, in strides of the grid. Sources that use it are compiled by nvcc.
#pragma once
#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "tensor/cuda_stream.h"
#include "tensor/device_counts.h"

namespace bevgrad::cuda {

#if defined(__CUDACC__) || defined(BEVGRAD_CUDA_EMULATED)

inline constexpr int64_t kThreads = 256;
/// Enough blocks to fill any device several times over; more indices are taken in strides.
inline constexpr int64_t kMaxBlocks = 65536;

template <class F>
__global__ void run_indices(int64_t count, F functor) {
  const int64_t step = int64_t{gridDim.x} * blockDim.x;
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += step) functor(i);
}

template <class F>
void launch(int device, int64_t count, const F& functor) {
  static_assert(std::is_trivially_copyable_v<F>, "a functor reaches the device bit by bit");
  if (count == 0) return;
  const DeviceGuard guard(device);
  cuda::count(DeviceWork::Launch);
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(std::min(kMaxBlocks, (count + kThreads - 1) / kThreads)));
  config.blockDim = dim3(static_cast<unsigned>(kThreads));
  config.stream = compute_stream(device);
  check(cudaLaunchKernelEx(&config, run_indices<F>, count, functor), "cudaLaunchKernelEx");
}

#else

template <class F>
void launch(int, int64_t, const F&) {
  static_assert(!sizeof(F), "a source that launches on a device is compiled by nvcc");
}

#endif

}  // namespace bevgrad::cuda
