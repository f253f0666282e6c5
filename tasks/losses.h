// The loss of a batch: every task's terms, weighted.
#pragma once
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tasks/task_list.h"

namespace bevgrad {

struct Losses {
  Tensor total;      ///< a scalar on the tape
  double value = 0;  ///< of `total`
  /// By name ("static/lane_focal"), before all weights: for logs. Detached.
  std::vector<std::pair<std::string, double>> terms;
};

/// Throws where nothing is learned: there is no task, or every weight is 0.
Losses compute_losses(const NetworkOutput& output, const Batch& batch, std::span<const ActiveTask> tasks);

}  // namespace bevgrad
