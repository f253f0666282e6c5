// Where every point of the BEV grid appears in every camera's feature map.
#pragma once
#include <vector>

#include "bev/bev_sampling.h"
#include "geometry/camera.h"
#include "models/camera/rig.h"
#include "models/network_options.h"

namespace bevgrad {

/// The pillars of a grid: its cells' centres at these heights (metres).
struct BevPoints {
  BevGrid grid;
  std::vector<double> heights;
};

/// Projects every point into each camera (float64) and notes those that see it. `cameras` in the groups' order; image
/// pixels become feature pixels by u_f = (u + 0.5) / stride - 0.5, the stride being image size / feature size. Throws
/// Error for a calibration that cannot be, naming the camera's number.
BevSamplingTable project_points(const BevPoints& points, const std::vector<BevSamplingGroup>& groups,
                                const std::vector<Camera>& cameras);

class BevProjectionCache : public RigCache<BevSampling> {
 public:
  explicit BevProjectionCache(BevPoints points, size_t capacity = 32);
};

}  // namespace bevgrad
