// Wall time of a piece of work.
#pragma once
#include <algorithm>
#include <chrono>

namespace bevgrad {

class Stopwatch {
 public:
  /// Seconds since construction or the last lap.
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    const double seconds = std::chrono::duration<double>(now - start_).count();
    start_ = now;
    return seconds;
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// Seconds of the fastest of `repeats` runs, after one that warms up.
template <class Work>
double fastest_run(int repeats, const Work& work) {
  double best = 1e30;
  for (int i = 0; i <= repeats; ++i) {
    Stopwatch watch;
    work();
    if (i > 0) best = std::min(best, watch.lap());
  }
  return best;
}

}  // namespace bevgrad
