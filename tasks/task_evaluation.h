// The evaluation of a run: what evaluation/ counts of every frame, and the metrics that tasks bring along.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "evaluation/evaluator.h"
#include "tasks/task_list.h"

namespace bevgrad {

class TaskEvaluation {
 public:
  /// Throws UsageError where the options make no sense.
  TaskEvaluation(EvaluationOptions options, const TaskList& tasks);

  /// Throws Error naming the frame's key where shapes do not fit the options.
  void add(const JudgedFrame& judged);
  /// Everything counted so far, as bytes for another rank, which merges them.
  std::string state() const;
  void merge(const std::string& state);
  EvaluationSummary summary() const;

 private:
  Evaluator evaluator_;
  std::vector<std::unique_ptr<TaskMetric>> metrics_;
};

/// Every number by which a best checkpoint can be chosen.
std::vector<std::string> headline_names(const TaskList& tasks);

}  // namespace bevgrad
