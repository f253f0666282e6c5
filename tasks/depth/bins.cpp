#include "tasks/depth/bins.h"

#include <cmath>

namespace bevgrad {

DepthBins depth_bins(const config::Network& network) {
  const config::LiftSplat& lift = network.lift_splat();
  return {.start = lift.depth_min(),
          .step = lift.depth_step(),
          .count = std::llround((lift.depth_max() - lift.depth_min()) / lift.depth_step())};
}

}  // namespace bevgrad
