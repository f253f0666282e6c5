// Which device a rank works on.
#pragma once
#include "distributed/environment.h"
#include "tensor/device.h"

namespace bevgrad {

/// The CUDA devices that a process sees.
struct VisibleDevices {
  int count = 0;
  std::string problem;         ///< why there is none
  bool is_restricted = false;  ///< CUDA_VISIBLE_DEVICES chooses among the machine's
};

/// On CUDA: cuda:<local rank>. A rank whose launcher shows it one device of its own (torchrun --virtual-local-rank,
/// srun --gpus-per-task=1) works on cuda:0. Throws UsageError where there is no device, or none for this rank.
Device rank_device(const RankEnvironment& environment, DeviceKind kind, const VisibleDevices& devices);
/// The same with what this process sees.
Device rank_device(const RankEnvironment& environment, DeviceKind kind);

}  // namespace bevgrad
