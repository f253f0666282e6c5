// The sums that losses need over all batches of an accumulated step: noted in a first pass, given in a second.
#pragma once
#include <vector>

#include "autograd/batch_sync.h"

namespace bevgrad {

/// To its losses each of the step's batches is what a rank's batch is: a part of a larger one. Losses ask for their
/// sums in the same order in both passes and with every batch; what is summed must not depend on sums that were asked
/// for before.
class AccumulatedSums {
 public:
  /// `ranks` may be null: one process. It must outlive this.
  AccumulatedSums(const BatchSync* ranks, int batches);

  /// For the first pass over one batch. Both syncs are for one batch each, and must not outlive this.
  BatchSync noting();
  /// Once, after the first pass over all batches: from now on the sums are those of all ranks' batches.
  void add_up();
  /// For the second pass over one batch, forward and backward. Throws Error where a loss asks for what it did not ask
  /// for in the first pass.
  BatchSync giving();

 private:
  BatchSync part_of_the_step() const;

  const BatchSync* ranks_;
  int batches_;
  std::vector<std::vector<double>> sums_;  // in the order in which they are asked for
  size_t next_ = 0;
};

}  // namespace bevgrad
