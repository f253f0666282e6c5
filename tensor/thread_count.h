// OpenMP's number of threads for a scope.
#pragma once
#include <omp.h>

namespace bevgrad {

/// Parallel regions that the calling thread opens have `count` threads while it lives, and then as many as before.
class ThreadCount {
 public:
  explicit ThreadCount(int count) : before_(omp_get_max_threads()) { omp_set_num_threads(count); }
  ~ThreadCount() { omp_set_num_threads(before_); }
  ThreadCount(const ThreadCount&) = delete;
  ThreadCount& operator=(const ThreadCount&) = delete;

 private:
  int before_;
};

}  // namespace bevgrad
