// The process group of several ranks with a CUDA device each: NCCL's collectives for the device's tensors, and beside
// them a group on the CPU, over which the ranks agree, exchange texts and counters, and learn who is gone.
#pragma once
#include <memory>

#include "distributed/meeting.h"
#include "distributed/process_group.h"

namespace bevgrad {

/// `control` connects the same ranks. The device must be there. Throws Error where NCCL cannot start, PeerLost where
/// another rank does not come in time.
std::unique_ptr<ProcessGroup> make_nccl_group(std::shared_ptr<Meeting> meeting, std::unique_ptr<ProcessGroup> control,
                                              Device device);

/// "2.28.9": the library that is loaded.
std::string nccl_version();

}  // namespace bevgrad
