// Runs one functor per index: the single place where per-element and per-index code meets a device. The functor is a
// small struct of pointers and numbers with `void operator()(int64_t i) const`, marked BEVGRAD_HD, so the code that
// the tests prove on the CPU is the code that a GPU runs. Each index must write only what belongs to it.
#pragma once
#include <cstdint>

#include "tensor/device.h"
#include "tensor/error.h"

namespace bevgrad {

/// Below this many indices (scaled by `cost`, the rough number of nanoseconds one index takes) threads do not pay.
inline constexpr int64_t kParallelGrain = 32768;

template <class F>
void launch(Device device, int64_t count, const F& functor, int64_t cost = 1) {
  check(device.is_cpu(), "this build has no backend for {}", to_string(device));
  if (count * cost < kParallelGrain) {
    for (int64_t i = 0; i < count; ++i) functor(i);
    return;
  }
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < count; ++i) functor(i);
}

}  // namespace bevgrad
