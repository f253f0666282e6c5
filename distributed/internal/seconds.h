// Durations as people read them.
#pragma once
#include <chrono>

namespace bevgrad {

inline double in_seconds(std::chrono::milliseconds time) {
  return static_cast<double>(time.count()) / 1000;
}

}  // namespace bevgrad
