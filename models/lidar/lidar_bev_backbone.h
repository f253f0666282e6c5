// The LiDAR map's backbone and neck: mmdetection3d's SECOND and SECONDFPN as its CenterPoint-pillar model has them.
#pragma once
#include <cstdint>

#include "models/blocks.h"
#include "models/network_options.h"
#include "nn/sequential.h"
#include "tensor/random.h"

namespace bevgrad {

/// SECOND's `blocks` (Yan et al., 2018): three runs of 3x3 convolution + norm + ReLU, the first of each with stride 2;
/// SECONDFPN's `deblocks` bring their outputs to a quarter of the input's size: 2x2 convolution of stride 2, 1x1
/// convolution, transposed 2x2 convolution of stride 2, each + norm + ReLU. No convolution has a bias.
class LidarBevBackbone : public Module {
 public:
  LidarBevBackbone(const LidarOptions& options, Generator& generator);
  /// [N,vfe_channels,H,W] -> [N,3*neck_channels,H/4,W/4]; H and W are multiples of 8.
  Tensor forward(const Tensor& x);

 private:
  // A torch.nn.Sequential of convolution, norm and ReLU in turn: children 0, 1, 3, 4, 6, 7, ...
  class Block : public Module {
   public:
    /// `only_convolved`: NormFusion's, of what it gives.
    Block(int64_t in_channels, int64_t channels, int64_t layers, bool only_convolved);
    Tensor forward(const Tensor& x);

   private:
    std::vector<std::unique_ptr<Conv2d>> convs_;
    std::vector<std::unique_ptr<BatchNorm>> norms_;
    bool only_convolved_;
  };

  // The three deblocks differ in kind, but lie in one list.
  struct Deblocks : Module {
    Deblocks(const LidarOptions& options);
    ConvBnRelu down;
    ConvBnRelu same;
    ConvNormRelu<ConvTranspose2d> up;
  };

  ModuleList<Block> blocks_;
  Deblocks deblocks_;
};

}  // namespace bevgrad
