// Camera and LiDAR features into one: BEVFusion's ConvFuser (Liu et al., 2023).
#pragma once
#include <vector>

#include "models/blocks.h"
#include "tensor/random.h"

namespace bevgrad {

/// relu(norm(conv(concat(features)))): `0` 3x3 without bias, `1` the norm.
class ConvFuser : public Module {
 public:
  ConvFuser(int64_t in_channels, int64_t out_channels, Generator& generator);
  /// [N,.,H,W] each, camera before LiDAR -> [N,out_channels,H,W]
  Tensor forward(const std::vector<Tensor>& features);

 private:
  Conv2d conv_;
  BatchNorm norm_;
};

}  // namespace bevgrad
