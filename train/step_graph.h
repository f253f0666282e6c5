// The forward and backward pass of a step on a GPU as one CUDA graph: a step of the cached second stage is some two
// hundred launches of microseconds each, which the host can hardly keep up with.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "models/network.h"
#include "optim/optimizer.h"
#include "tasks/losses.h"
#include "tensor/device_graph.h"

namespace bevgrad {

class StepGraph {
 public:
  /// Whether a network's passes are to be recorded now: it is on a GPU, NetworkOptions::cuda_graphs is on, and nothing
  /// looks at single modules or operations.
  static bool is_wanted(const Network& network);
  /// Which part of the work behind the fused feature is not the same every time; "" where all of it is.
  static std::string obstacle(Network& network, std::span<const ActiveTask> tasks);

  struct Result {
    /// With `numbers` to be read and no total. Wrong labels are not told apart: explain() does.
    QueuedLosses losses;
    /// Runs the forward pass once more, for messages; throws what the losses throw. Before the weights change.
    std::function<NetworkOutput()> explain;
  };

  /// decode(), losses and backward pass of a batch: `parameters` have their gradients then, until the next call. The
  /// same bits as without a graph, which the first call for each shape does. Nothing where there is a problem(), or the
  /// batch has no history to say of which shape it is; nothing has been done then.
  std::optional<Result> run(Network& network, const Tensor& bev_fused, const History& history, const Batch& batch,
                            std::span<const ActiveTask> tasks, const std::vector<OptimizedParameter>& parameters);

  int64_t replays() const { return graph_.replays(); }
  /// Why nothing is recorded any more; "" where it is.
  const std::string& problem() const { return graph_.problem(); }

 private:
  /// What a pass changes in the network's buffers beside the device's work.
  struct Traces {
    std::vector<Tensor> written;                     // on the device: their versions
    std::vector<std::pair<Tensor, int64_t>> counts;  // counters on the CPU, and what is added
  };

  DeviceGraph graph_;
  std::optional<TensorOptions> slot_;  // of history frames
  std::vector<std::string> names_;     // of the recorded losses
  Traces traces_;
};

}  // namespace bevgrad
