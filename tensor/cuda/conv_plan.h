// From a convolution to a plan that cuDNN can run, found once and kept.
#pragma once
#include <memory>
#include <optional>

#include "cuda/conv_graph.h"
#include "tensor/tensor.h"

namespace bevgrad::cuda {

struct ConvPlan {
  std::optional<ConvGraph> graph;  // what the plan was made of; nothing where it came from a disk
  std::optional<Descriptor> engine_config;
  Descriptor plan;
  int64_t workspace_bytes;
};

/// Null where cuDNN has no plan for it. Plans are kept, those that there are not as well; on a disk too
/// (cuda/plan_files.h), for processes with the same library, driver, kind of GPU and switches.
std::shared_ptr<const ConvPlan> find_conv_plan(const ConvProblem& problem, int device);

/// Operands of a run, in the problem's layouts; `shift` and `residual` undefined where the problem has none.
struct ConvTensors {
  Tensor x, weight, y, shift, residual;
};

/// Queues the plan on the device's compute stream.
void run_conv_plan(const ConvPlan& plan, const ConvTensors& tensors);

}  // namespace bevgrad::cuda
