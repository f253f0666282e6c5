// The depth bins of a config (network.lift_splat).
#pragma once
#include "configs/config.pb.h"
#include "models/camera/lift_table.h"

namespace bevgrad {

DepthBins depth_bins(const config::Network& network);

}  // namespace bevgrad
