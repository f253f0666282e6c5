// Data-parallel training: parameters broadcast at the start, gradients averaged in every step, statistics at the end.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "autograd/batch_sync.h"
#include "configs/document.h"
#include "distributed/process_group.h"
#include "nn/module.h"
#include "train/checkpoint/checkpoint.h"
#include "train/data_parallel/gradient_reducer.h"
#include "train/data_parallel/optimizer_shards.h"

namespace bevgrad {

/// With one rank everything here does nothing.
class DataParallel {
 public:
  /// `group` must outlive it.
  DataParallel(ProcessGroup& group, const config::Distributed& options);

  bool is_first() const { return group_.rank() == 0; }
  /// Every rank gets rank 0's values.
  void broadcast(const NamedTensors& tensors);
  /// Rank 0's text on every rank.
  std::string broadcast(const std::string& text) { return broadcast_text(group_, text); }
  /// The file at `path`, of which only rank 0 needs to see the disk; rank 0's is returned as it is.
  Checkpoint share(const std::string& path, Checkpoint of_first);

  /// For the forward and backward passes of a step.
  const BatchSync* sync() const { return group_.size() > 1 ? &sync_ : nullptr; }
  /// From now on these are trained. Returns which of them this rank's optimizer steps, one flag each; empty: all.
  std::vector<bool> set_parameters(const std::vector<OptimizedParameter>& parameters);
  void begin_step(int64_t step);
  /// One batch's loss and terms become those of all ranks' batches. Also learns of signals.
  void merge(double& loss, std::vector<std::pair<std::string, double>>& terms);
  /// Around the last backward pass of a step.
  void begin_backward(const Tensor& loss);
  void end_backward();

  /// After the optimizer's step: every rank has the new values, whoever has computed them.
  void end_step();
  /// The optimizer's state as one rank alone would have it, on rank 0. Where it is shared out, all ranks call it.
  std::map<std::string, StateDict> whole_state(const Optimizer& optimizer);
  bool shares_state() const { return shards_ != nullptr; }

  /// A signal to stop (train/signals.h), where any rank had got one before it last called merge(): the same on every
  /// rank. 0: none.
  int signal() const;
  /// Waits for the other ranks.
  void barrier() { group_.barrier(); }

  /// Seconds that this rank has waited for others, all in all.
  double waited() const;
  /// What the exchange cost, for the end of a log; "" with one rank.
  std::string summary(double seconds, int64_t steps) const;

 private:
  ProcessGroup& group_;
  BatchSync sync_;
  std::unique_ptr<GradientReducer> reducer_;
  std::unique_ptr<OptimizerShards> shards_;
  int signal_ = 0;
  GroupTraffic before_steps_;
  bool stepped_ = false;
};

}  // namespace bevgrad
