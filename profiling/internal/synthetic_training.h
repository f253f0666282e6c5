// A network with all that a training step of its config needs but a dataset.
#pragma once
#include <functional>
#include <memory>
#include <vector>

#include "models/network.h"
#include "optim/optimizer.h"
#include "profiling/benches.h"
#include "tasks/task_list.h"
#include "tensor/allocator.h"
#include "tensor/random.h"
#include "train/memory_budget.h"
#include "train/step_graph.h"

namespace bevgrad {

class SyntheticTraining {
 public:
  SyntheticTraining(const configs::Document& document, const BenchOptions& options);

  /// Calls `lap` after each of its parts().
  void step(const std::function<void()>& lap);
  /// Forward, loss, backward and optimizer; where the passes are a CUDA graph, that and the optimizer.
  std::vector<const char*> parts();

  Network& network() { return network_; }
  Device device() const { return network_.device(); }
  int64_t batch() const { return batch_.size(); }
  /// What takes part in a peak of tensors.
  std::vector<Figure> memory(const MemoryStats& stats) const;

 private:
  bool is_recorded();
  void finish(const QueuedLosses& losses, const std::function<void()>& lap);

  double program_bytes_;
  config::Config proto_;
  Generator generator_;
  TaskList tasks_;
  Network network_;
  std::unique_ptr<Optimizer> optimizer_;
  bool cached_;
  MemoryBudget budget_;
  Batch batch_;
  Tensor feature_;
  History history_;
  StepGraph graph_;
  size_t gradient_bytes_ = 0;
};

}  // namespace bevgrad
