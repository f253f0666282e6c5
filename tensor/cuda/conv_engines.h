// Which of cuDNN's engines computes a convolution: its heuristics are asked, engines that the switches forbid are
// dropped, and the first that can be built within the workspace's cap is taken.
#pragma once
#include <optional>
#include <vector>

#include "cuda/conv_graph.h"

namespace bevgrad::cuda {

/// Bytes of scratch memory that a plan may want.
inline constexpr int64_t kMaxWorkspace = int64_t{1} << 30;

struct EngineChoice {
  Descriptor config;
  Descriptor plan;
  int64_t workspace_bytes;
};

/// Where the convolution is to run: on the device of a handle, or on one that is not here, as a description
/// (CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR; such a plan cannot be run).
struct EngineTarget {
  cudnnHandle_t handle = nullptr;
  const Descriptor* device = nullptr;
};

/// Nothing where there is no such engine. `graph` is finalised.
std::optional<EngineChoice> choose_engine(const Descriptor& graph, const ConvProblem& problem, EngineTarget target);

/// cuDNN's number of the engine, and its notes on how it computes and behaves.
struct EngineNotes {
  int64_t engine = -1;
  std::vector<cudnnBackendNumericalNote_t> numerical;
  std::vector<cudnnBackendBehaviorNote_t> behaviour;
};
EngineNotes engine_notes(const Descriptor& config);

}  // namespace bevgrad::cuda
