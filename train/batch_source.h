// Where a training step's batches come from: one loader a task, or one for several that read the same lists.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "configs/document.h"
#include "data/dataset.h"
#include "data/loader.h"
#include "distributed/process_group.h"
#include "tasks/task_list.h"

namespace bevgrad {

/// What the data of tasks is checked for, in a training or a validation.
CheckOptions check_options(const config::Config& proto, std::span<const ActiveTask> tasks, bool training);

/// Training lists that tasks read together.
struct TaskLists {
  std::string name;
  std::vector<ActiveTask> tasks;
  std::vector<ListGroup> lists;
};
/// In the order of the tasks: by a task's name, "shared" where all read the same lists, or the names of those that do
/// joined by "+". Lists may be empty.
std::vector<TaskLists> lists_of_tasks(const config::Config& proto, const TaskList& tasks);

/// Batches of one or more tasks, without end.
class BatchSource {
 public:
  /// `repeats`: SamplerOptions'. `num_cases`: cases of an epoch, 0 for all. Batches are sent ahead to `device`.
  BatchSource(std::string name, std::vector<ActiveTask> tasks, std::shared_ptr<const Dataset> dataset,
              const config::Config& proto, std::shared_ptr<const Augmentation> augmentation,
              const std::vector<double>& repeats, int64_t num_cases, const ProcessGroup& group, Device device = {});

  const std::string& name() const { return name_; }
  const std::vector<ActiveTask>& tasks() const { return tasks_; }
  const Dataset& dataset() const { return *dataset_; }
  Batch next();
  /// Whether a task that it feeds takes history.
  bool has_history() const { return has_history_; }
  /// Whether samples come in a new order every epoch, and not sequences in time order.
  bool is_shuffled() const { return shuffled_; }

  std::vector<int64_t> state() const { return loader_->state(); }
  /// Goes `batches` back from `state` (to the start at most); the next calls of next() give those again. Returns how
  /// many it went back.
  int64_t restore(const std::vector<int64_t>& state, int64_t batches_back = 0);
  /// What Sampler::restore said of the last one.
  const std::string& change() const { return change_; }
  /// Cases of an epoch, and seconds spent waiting for batches.
  int64_t cases() const { return loader_->cases(); }
  double waited() const { return loader_->waited(); }

 private:
  std::unique_ptr<Sampler> make_sampler() const;

  std::string name_;
  std::vector<ActiveTask> tasks_;
  std::shared_ptr<const Dataset> dataset_;
  SamplerOptions sampler_options_;
  bool has_history_ = false;
  bool shuffled_ = false;
  std::string change_;
  std::unique_ptr<Loader> loader_;
};

/// Datasets of the tasks, opened once for those that read the same lists.
class TrainData {
 public:
  /// Throws UsageError where a task has no list or no label, where the history cannot reach or is never found, and what
  /// Dataset throws.
  TrainData(const configs::Document& document, const TaskList& tasks);

  /// Sources for a phase that draws `num_cases`.
  std::vector<BatchSource> sources(const config::Config& proto, int64_t num_cases, const ProcessGroup& group,
                                   Device device = {}) const;
  /// See require_same_data.
  void require_same(ProcessGroup& group) const;
  /// Of the sources, in their order.
  std::vector<std::shared_ptr<const Dataset>> datasets() const;
  /// What a person should know of the data.
  std::vector<std::string> remarks() const;

 private:
  struct Entry {
    std::string name;
    std::vector<ActiveTask> tasks;
    std::shared_ptr<const Dataset> dataset;
    std::vector<std::string> checked;  // what a brief check of the data says
    std::vector<double> repeats;       // of its entries, see SamplerOptions
  };
  std::vector<Entry> entries_;
  std::shared_ptr<const Augmentation> augmentation_;
};

}  // namespace bevgrad
