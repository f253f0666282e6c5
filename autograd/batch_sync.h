// A batch distributed over several processes: the sums over all of them that normalisations and losses need.
#pragma once
#include <functional>
#include <span>

#include "tensor/tensor.h"

namespace bevgrad {

/// Every process calls it at the same places in the same order.
struct BatchSync {
  /// Adds the numbers up over all processes, in place; the same bits on each.
  std::function<void(std::span<double>)> sum;
  /// The same for contiguous float64 tensors of one device, in one message. On CUDA the device's stream waits, not the
  /// caller.
  std::function<void(std::span<const Tensor>)> sum_tensors;
  /// What losses call in its place, where they sum over more than the processes' parts of one batch; empty: nothing
  /// else.
  std::function<void(const Tensor&)> sum_loss_tensor = {};
  int processes = 1;
  /// Batch normalisation takes its statistics over all processes.
  bool norms = true;
  /// A loss that divides by a count, or is no sum over cells, takes its counts over all processes. Its value and its
  /// gradient are then this process's share: over the processes they add up to those of the whole batch.
  bool losses = true;
};

/// The batch sync of this thread's current scope; null where the batch is all here.
const BatchSync* batch_sync();

/// Sets it for a scope: forward and backward of one step.
class BatchSyncGuard {
 public:
  explicit BatchSyncGuard(const BatchSync* sync);
  ~BatchSyncGuard();
  BatchSyncGuard(const BatchSyncGuard&) = delete;
  BatchSyncGuard& operator=(const BatchSyncGuard&) = delete;

 private:
  const BatchSync* previous_;
};

}  // namespace bevgrad
