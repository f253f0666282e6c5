// The camera neck of BEVFusion (Liu et al., 2023), with mmdetection3d's names.
#pragma once
#include <cstdint>
#include <vector>

#include "models/blocks.h"
#include "models/network_parts.h"
#include "nn/sequential.h"
#include "tensor/random.h"

namespace bevgrad {

/// From coarse to fine: the level above, enlarged bilinearly (align_corners false), behind a level's own map on the
/// channels, then `lateral_convs.{i}` (1x1) and `fpn_convs.{i}` (3x3), each with `conv`, `bn` and ReLU. The coarsest
/// level has none of its own. The finest level is the result.
class GeneralizedLssFpn : public Neck {
 public:
  /// At least two inputs.
  GeneralizedLssFpn(const std::vector<int64_t>& in_channels, int64_t out_channels, Generator& generator);
  /// inputs finest first -> [N,out_channels,h,w] of the finest.
  Tensor forward(const std::vector<Tensor>& inputs) override;

 private:
  ModuleList<ConvBnRelu> lateral_convs_;
  ModuleList<ConvBnRelu> fpn_convs_;
};

}  // namespace bevgrad
