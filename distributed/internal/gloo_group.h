// The process group of several processes on CPU tensors: Gloo's collectives over the ranks' mesh.
#pragma once
#include <memory>
#include <string>

#include "distributed/meeting.h"
#include "distributed/process_group.h"

namespace bevgrad {

/// Connects to the other ranks of the meeting. Throws as make_process_group.
std::unique_ptr<ProcessGroup> make_gloo_group(std::shared_ptr<Meeting> meeting, const std::string& name);

}  // namespace bevgrad
