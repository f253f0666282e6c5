// Whether a dataset is what a config takes it for: what damages a training without an error anywhere. Runs use a short
// form of it when they open their data, `bevgrad data check` the whole.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "data/check/findings.h"
#include "data/check/history.h"
#include "data/dataset.h"

namespace bevgrad {

struct CheckOptions {
  bool static_task = true, dynamic_task = true, occupancy_task = false, attribute_task = false;
  /// A task without a label, or a history that is never found, stops a training.
  bool training = false;
  HistoryRule history = {};  ///< no intervals: no temporal fusion
  int64_t most_records = 0;  ///< that are looked into, spread over the data; 0: all
  bool decode_pictures = false;
};

struct CheckReport {
  int64_t records = 0;  ///< looked into, each once
  std::vector<Finding> findings;
  std::vector<std::string> history;  ///< a line a list group

  bool has_errors() const;
};

/// Reads at most two records at once, whatever the dataset's size.
CheckReport check_dataset(const Dataset& dataset, const CheckOptions& options);

/// A check of a few records for a run's log: its lines, but for notes. Throws UsageError for what stops a run.
std::vector<std::string> check_briefly(const Dataset& dataset, CheckOptions options);

}  // namespace bevgrad
