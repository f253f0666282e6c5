// The process group of several processes on CPU tensors: Gloo's collectives over the ranks' mesh.
#pragma once
#include "train/distributed/process_group.h"

namespace bevgrad {

/// Meets the other ranks. Throws as make_process_group.
std::unique_ptr<ProcessGroup> make_gloo_group(const RankEnvironment& environment, const GroupOptions& options);

}  // namespace bevgrad
