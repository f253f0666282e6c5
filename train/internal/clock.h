// The clock by which training measures durations.
#pragma once
#include <chrono>

namespace bevgrad {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace bevgrad
