// Where a training step's batches come from: one loader a task, or one for both where they read the same lists.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "configs/document.h"
#include "data/dataset.h"
#include "data/loader.h"
#include "distributed/process_group.h"
#include "train/losses.h"

namespace bevgrad {

/// Batches of one or two tasks, without end.
class BatchSource {
 public:
  /// `num_cases`: cases of an epoch, 0 for all. Batches are sent ahead to `device`.
  BatchSource(std::string name, BatchTasks tasks, std::shared_ptr<const Dataset> dataset, const config::Config& proto,
              int64_t num_cases, const ProcessGroup& group, Device device = {});

  const std::string& name() const { return name_; }
  BatchTasks tasks() const { return tasks_; }
  const Dataset& dataset() const { return *dataset_; }
  Batch next();
  /// Whether the task that it feeds takes history.
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
  BatchTasks tasks_;
  std::shared_ptr<const Dataset> dataset_;
  SamplerOptions sampler_options_;
  bool has_history_ = false;
  bool shuffled_ = false;
  std::string change_;
  std::unique_ptr<Loader> loader_;
};

/// Datasets of the tasks that are on, opened once: "static", "dynamic", or "shared" where both read the same lists.
class TrainData {
 public:
  /// Throws UsageError where a task has no list or no label, where the history cannot reach or is never found, and what
  /// Dataset throws.
  explicit TrainData(const configs::Document& document);

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
    BatchTasks tasks;
    std::shared_ptr<const Dataset> dataset;
    std::vector<std::string> checked;  // what a brief check of the data says
  };
  std::vector<Entry> entries_;
};

}  // namespace bevgrad
