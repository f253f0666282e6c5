// What goes into the network; what comes out is in models/network_output.h.
#pragma once
#include <cstdint>
#include <vector>

#include "geometry/camera.h"
#include "models/network_output.h"
#include "tensor/tensor.h"

namespace bevgrad {

/// N frames side by side.
struct NetworkInput {
  /// Per camera group [N*n_g,3,H,W], sample-major (sample 0's cameras of the group, then sample 1's): uint8 RGB, which
  /// the network normalises, or float32 that is normalised already. Those on the CPU are copied to its device.
  std::vector<Tensor> images;
  /// [N][every camera in the groups' order], at the images' size.
  std::vector<std::vector<Camera>> cameras;
  /// [N] of float32 [P_n,4]: x, y, z in the ego frame, intensity. Not read where the network has no LiDAR.
  std::vector<Tensor> points;

  int64_t size() const { return static_cast<int64_t>(cameras.size()); }
};

/// The past frames that temporal fusion takes, as HistoryFeatureManager gives them. An empty one has no valid frame.
/// Each tensor is on the network's device or is copied there. A mask on the CPU is looked at: a slot without a frame
/// costs nothing then.
struct History {
  /// One per interval: fused BEV feature [N,C,Hb,Wb] before temporal fusion, float32 or bfloat16. An undefined tensor
  /// stands for a slot that is valid for no sample.
  std::vector<Tensor> prev_feat_list;
  /// float64 [N,intervals,2,3]: from (x, y, 1) of the current ego frame to the history frame's, metres.
  Tensor feature_warp_matrix;
  /// bool or uint8 [N,intervals]: whether the slot holds a frame.
  Tensor valid;
};

}  // namespace bevgrad
