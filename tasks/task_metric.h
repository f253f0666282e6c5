// A metric of a task's own, counted beside those of evaluation/.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "data/batch.h"
#include "evaluation/evaluator.h"
#include "evaluation/table.h"
#include "models/network_output.h"

namespace bevgrad {

/// One frame of a validation, as a metric sees it.
struct JudgedFrame {
  const EvaluationFrame& frame;
  const NetworkOutput& output;  ///< on the CPU
  const Batch& batch;
  int64_t sample = 0;  ///< of batch and output
};

/// Keeps counts, and gives figures of them. Frames of a sequence come in time order; one thread calls.
class TaskMetric {
 public:
  virtual ~TaskMetric() = default;
  virtual void add(const JudgedFrame& judged) = 0;
  /// What was counted, as bytes for another rank, whose metric of the same task merges them.
  virtual std::string state() const = 0;
  virtual void merge(const std::string& state) = 0;
  /// Written into metrics.json, metrics.txt and a CSV each. Names are unique over all tasks.
  virtual std::vector<Table> tables() const = 0;
  /// Every number by which a best checkpoint can be chosen (train.checkpoint_metric), and those that there are.
  virtual std::vector<std::string> headline_names() const { return {}; }
  virtual std::map<std::string, double> headline() const { return {}; }
};

}  // namespace bevgrad
