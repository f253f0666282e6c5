// Runs one functor per index: the single place where per-element and per-index code meets a device. The functor is a
// small struct of pointers and numbers with `void operator()(int64_t i) const`, marked BEVGRAD_HD, so the code that
// the tests prove on the CPU is the code that a GPU runs. Each index must write only what belongs to it.
#pragma once
#include <cstdint>

#include "base/error.h"
#include "tensor/device.h"

#ifdef BEVGRAD_CUDA
#include "tensor/cuda_launch.h"
#endif

namespace bevgrad {

/// Below this many indices (scaled by `cost`, the rough number of nanoseconds one index takes) threads do not pay.
inline constexpr int64_t kParallelGrain = 32768;

/// On the host alone: the functor may be a lambda and may use whatever the host has.
template <class F>
void launch_host(int64_t count, const F& functor, int64_t cost = 1) {
  if (count * cost < kParallelGrain) {
    for (int64_t i = 0; i < count; ++i) functor(i);
    return;
  }
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < count; ++i) functor(i);
}

/// On any device. The functor is a named struct that is copied bit by bit: what it points to lies on the device. On
/// CUDA the launch is queued on the device's compute stream, one thread an index.
template <class F>
void launch(Device device, int64_t count, const F& functor, int64_t cost = 1) {
  if (device.is_cpu()) return launch_host(count, functor, cost);
#ifdef BEVGRAD_CUDA
  cuda::launch(device.index, count, functor);
#else
  fail("launch: {}", cuda_problem());
#endif
}

}  // namespace bevgrad
