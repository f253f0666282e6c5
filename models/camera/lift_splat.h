// From the cameras' feature maps to the bird's-eye view by depth: every pixel says how far away it looks and spreads
// its feature along its ray (Philion and Fidler, "Lift, splat, shoot", 2020), as BEVFusion's LSSTransform.
#pragma once
#include <vector>

#include "models/blocks.h"
#include "models/camera/lift_table.h"
#include "models/network_parts.h"
#include "tensor/random.h"

namespace bevgrad {

/// Prefix of the public names of its depth maps, one a camera group: "depth_logits/0" [N,n_g,bins,h,w], before the
/// softmax over the bins. A loss on them can be learned from the LiDAR.
inline constexpr const char* kDepthLogits = "depth_logits/";

struct LiftSplatOptions {
  int64_t channels = 64;  ///< of the features that are spread
  DepthBins bins;
};

/// `depthnet` (1x1, with bias) gives a pixel's depth logits and, behind them, its `channels` features; lift_splat pools
/// them; `conv` 3x3 without bias, `bn`, ReLU.
class LiftSplat : public ViewTransform {
 public:
  LiftSplat(int64_t in_channels, int64_t out_channels, const BevGrid& grid, const LiftSplatOptions& options,
            Generator& generator);

  /// As ViewTransform says, with a map "depth_logits/<group>" for each group.
  ViewTransformOutput forward(const std::vector<Tensor>& features,
                              const std::vector<std::vector<Camera>>& cameras) override;

 private:
  LiftSplatOptions options_;
  Conv2d depthnet_;
  Conv2d conv_;
  BatchNorm bn_;
  RigCache<LiftSplatting> splattings_;
};

}  // namespace bevgrad
