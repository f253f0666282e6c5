// Wall time of a piece of work, and the processor's time for it.
#pragma once
#include <time.h>

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

/// Seconds that all threads of this process have computed: what others do on the machine counts less.
inline double processor_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

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
