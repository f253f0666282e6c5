// Keeps a training within train.memory_budget_gb: which stretches of the network (nn/recomputable.h) are computed again
// in the backward pass instead of being kept.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "models/network.h"
#include "nn/recomputable.h"

namespace bevgrad {

/// What a step in which every stretch was recomputed has shown of one of them.
struct MeasuredStretch {
  const Module* owner = nullptr;
  std::string name = {};
  size_t kept = 0;     ///< bytes that it takes from its forward to its backward where it is not recomputed
  double seconds = 0;  ///< of its second run
  /// Highest bytes in use from the beginning of its first (second) run to that of the next one's.
  size_t forward_peak = 0, backward_peak = 0;
  bool is_trained = false;  ///< it had a second run
};

/// Which of the stretches, in the order of the forward pass, need not be recomputed for bytes in use to stay below
/// `limit`: those that save most time a byte, one by one. `peak`: the highest bytes in use before the first of them; it
/// becomes the highest of all where every stretch is recomputed. Nothing is chosen where that is above the limit.
std::vector<bool> stretches_to_keep(const std::vector<MeasuredStretch>& stretches, size_t limit, size_t& peak);

class MemoryBudget {
 public:
  /// `gigabytes`: 0: no budget. `place` names the field in messages.
  MemoryBudget(Network& network, double gigabytes, std::string place, std::function<void(const std::string&)> say);
  ~MemoryBudget();

  /// Before the passes of a batch: the plan for them, null without a budget. The first two steps recompute all; the
  /// second, when the optimizer has its state, is measured.
  const RecomputePlan* begin_passes();
  /// After the last backward pass of a step: a measured step's plan is made and told. Throws UsageError with the least
  /// that is possible where the budget cannot be kept.
  void end_passes();
  /// Whether there is no plan yet.
  bool is_measuring() const { return gigabytes_ > 0 && steps_ < 2; }
  /// Another part of the network is trained from now on: the next steps are measured.
  void forget() { steps_ = 0; }

 private:
  class Measurement;

  void tell(const std::vector<MeasuredStretch>& stretches, const std::vector<bool>& keeps, double step_seconds) const;

  Network& network_;
  double gigabytes_;
  std::string place_;
  std::function<void(const std::string&)> say_;
  int steps_ = 0;  // until the plan was made: 2
  std::set<const Module*> recomputed_;
  RecomputePlan plan_;
  std::unique_ptr<Measurement> measurement_;
};

}  // namespace bevgrad
