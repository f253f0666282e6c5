#include "distributed/rank_device.h"

#include <cstdlib>

#include "base/error.h"

namespace bevgrad {

Device rank_device(const RankEnvironment& environment, DeviceKind kind, const VisibleDevices& devices) {
  if (kind == DeviceKind::CPU) return {};
  if (devices.count == 0) throw UsageError(fmt::format("--device cuda: {}", devices.problem));
  if (environment.local_rank < devices.count) return {DeviceKind::CUDA, environment.local_rank};
  if (devices.count == 1 && devices.is_restricted) return {DeviceKind::CUDA, 0};
  throw UsageError(
      fmt::format("--device cuda: there is no cuda:{} for local rank {}: this process sees {} CUDA device(s), expected "
                  "one for each of the {} processes of this machine",
                  environment.local_rank, environment.local_rank, devices.count, environment.local_world_size));
}

Device rank_device(const RankEnvironment& environment, DeviceKind kind) {
  if (kind == DeviceKind::CPU) return {};
  return rank_device(environment, kind,
                     {cuda_device_count(), cuda_problem(), std::getenv("CUDA_VISIBLE_DEVICES") != nullptr});
}

}  // namespace bevgrad
