// A loop on the processor for code of vectors, which nvcc does not know: launch_host() is for functors that it
// compiles.
#pragma once
#include <cstdint>

namespace bevgrad {

/// Calls f(i) for i in [0, count), each of so many elements, in parallel where that pays.
template <class F>
void in_parallel(int64_t count, const F& f, int64_t elements) {
  constexpr int64_t kWorthThreads = 32768;
  if (count * elements < kWorthThreads) {
    for (int64_t i = 0; i < count; ++i) f(i);
    return;
  }
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < count; ++i) f(i);
}

}  // namespace bevgrad
