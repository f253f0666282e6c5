// The loss of a batch: every task's terms, weighted.
#pragma once
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "nn/label_checks.h"
#include "tasks/task_list.h"

namespace bevgrad {

struct Losses {
  Tensor total;      ///< a scalar on the tape
  double value = 0;  ///< of `total`
  /// By name ("static/lane_focal"), before all weights: for logs. Detached.
  std::vector<std::pair<std::string, double>> terms;
};

/// The losses as long as their numbers are on the device: on a GPU the host has waited for nothing.
struct QueuedLosses {
  Tensor total;  ///< a scalar on the tape
  std::vector<std::string> names;
  std::vector<Tensor>
      numbers;  ///< scalars, for read_scalars(): the terms in the order of `names`, the total, wrong labels
  std::vector<DeferredLabelChecks::Entry> labels;

  /// `values`: of `numbers`. Throws where a label is wrong.
  Losses read(std::span<const double> values) const;
};

/// Throws where nothing is learned: there is no task, or every weight is 0.
QueuedLosses queue_losses(const NetworkOutput& output, const Batch& batch, std::span<const ActiveTask> tasks);
/// The same with the numbers read.
Losses compute_losses(const NetworkOutput& output, const Batch& batch, std::span<const ActiveTask> tasks);

}  // namespace bevgrad
