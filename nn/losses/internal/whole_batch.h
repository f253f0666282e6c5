// Counts of a batch that may be spread over several processes (autograd/batch_sync.h).
#pragma once
#include <span>

#include "autograd/batch_sync.h"

namespace bevgrad {

inline bool batch_is_spread() {
  return batch_sync() && batch_sync()->losses;
}

/// Sums over this process's part become sums over the whole batch.
inline void whole_batch_sums(std::span<double> sums) {
  if (batch_is_spread()) batch_sync()->sum(sums);
}

/// The same for a contiguous float64 tensor on any device.
inline void whole_batch_sums(const Tensor& sums) {
  if (!batch_is_spread()) return;
  const BatchSync& sync = *batch_sync();
  if (sync.sum_loss_tensor) return sync.sum_loss_tensor(sums);
  sync.sum_tensors({&sums, 1});
}

inline double whole_batch_count(double count) {
  whole_batch_sums({&count, 1});
  return count;
}

/// What a value of the whole batch counts for here, so that the processes' values add up to it once.
inline double whole_batch_share() {
  return batch_is_spread() ? 1.0 / batch_sync()->processes : 1.0;
}

}  // namespace bevgrad
