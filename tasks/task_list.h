// The tasks of a config, made from the table of those that a program knows.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "models/head.h"
#include "tasks/task.h"

namespace bevgrad {

struct ActiveTask {
  std::string name;    ///< TaskKind's
  std::string module;  ///< TaskKind's
  bool uses_history = false;
  std::shared_ptr<const Task> task;
};

class TaskList {
 public:
  /// Throws UsageError where a row refuses its options, where no task is on, and where the config has temporal fusion
  /// and no task takes it; Error for two rows of one name.
  TaskList(const std::vector<TaskKind>& kinds, const configs::Document& document);

  auto begin() const { return active_.begin(); }
  auto end() const { return active_.end(); }
  const std::vector<ActiveTask>& active() const { return active_; }
  /// What the network is built with: the head of every row that has one, in the table's order; one of a task that is
  /// off builds nothing.
  const std::vector<HeadSpec>& heads() const { return heads_; }
  /// Every row, of tasks that are off too.
  const std::vector<TaskKind>& kinds() const { return kinds_; }

 private:
  std::vector<TaskKind> kinds_;
  std::vector<ActiveTask> active_;
  std::vector<HeadSpec> heads_;
};

}  // namespace bevgrad
