// The optimizer's state shared out among the ranks.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "distributed/process_group.h"
#include "optim/optimizer.h"

namespace bevgrad {

/// ZeRO's first stage (Rajbhandari et al., "ZeRO", SC 2020) by whole parameters: every parameter has an owner, which
/// alone keeps its state and steps it; then all ranks get the owner's values. Gradients are reduced as without it, and
/// an update looks at one parameter alone, so every bit is that of a run that does not share. All ranks call the same
/// functions in the same order.
class OptimizerShards {
 public:
  /// `group` must outlive it. Values travel in pieces of about `piece_bytes` of all ranks together.
  OptimizerShards(ProcessGroup& group, int64_t piece_bytes);

  /// Parameters that were there before keep their owner (and so their state its place); new ones go to the rank that
  /// has least. Returns which are this rank's.
  std::vector<bool> share(const std::vector<OptimizedParameter>& parameters);
  /// After a step: every rank gets the values that the owners have computed.
  void exchange_values();
  /// From every rank's part of the state the whole one, on rank 0; the others get their own back.
  std::map<std::string, StateDict> gather(std::map<std::string, StateDict> own);

 private:
  struct Segment {
    Tensor values;  ///< a parameter as it lies in memory
    int64_t start = 0;
  };
  template <class Copy>
  void for_each_in(int owner, int64_t start, int64_t length, Copy copy) const;

  ProcessGroup& group_;
  int64_t piece_bytes_;
  std::vector<OptimizedParameter> parameters_;
  std::map<std::string, int> owners_;
  std::vector<std::vector<Segment>> segments_;  // of each rank, one behind the other
  std::vector<int64_t> lengths_;                // of all its segments
};

}  // namespace bevgrad
