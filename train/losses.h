// The loss of a batch: every head's terms, weighted.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "configs/document.h"
#include "data/batch.h"
#include "models/network_io.h"
#include "tensor/tensor.h"

namespace bevgrad {

/// Which tasks' losses a batch counts for.
struct BatchTasks {
  bool dynamic_task = false;
  bool static_task = false;
};

struct Losses {
  Tensor total;      ///< a scalar on the tape
  double value = 0;  ///< of `total`
  /// By name ("static/lane_focal"), before the task's weight: for logs. Detached.
  std::vector<std::pair<std::string, double>> terms;
};

/// Terms of the tasks that are asked for and that the network has outputs of. Throws where none is.
Losses compute_losses(const NetworkOutput& output, const Batch& batch, const config::Config& proto, BatchTasks tasks);

}  // namespace bevgrad
