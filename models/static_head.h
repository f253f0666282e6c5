// The static map: lane marks, road elements and static instances.
#pragma once
#include "models/basic_block.h"
#include "models/network_options.h"
#include "nn/sequential.h"
#include "tensor/random.h"

namespace bevgrad {

/// Logits; sizes in Network's terms.
struct StaticHeadOutput {
  Tensor lane;     ///< [N,lane classes,4H,4W]
  Tensor road;     ///< [N,road classes,4H,4W]
  Tensor heatmap;  ///< [N,instance classes,2H,2W]
  Tensor box;      ///< [N,6,2H,2W]
};

/// `trunk` (two BasicBlocks), `up1` and `up2` (bilinear x2, 3x3 `conv` without bias, `bn`, ReLU); `lane` and `road`
/// (1x1) on the finer map, `instance` (3x3 `conv`, `bn`, ReLU; 1x1 `heatmap` and `box`) on up1's. Output biases start
/// at a probability of 0.01, the heat map's at 0.1.
class StaticHead : public Module {
 public:
  StaticHead(int64_t in_channels, const StaticHeadOptions& options, Generator& generator);
  /// [N,C,H,W]
  StaticHeadOutput forward(const Tensor& x);

 private:
  struct Up : ConvBnRelu {
    using ConvBnRelu::ConvNormRelu;
    Tensor forward(const Tensor& x);
  };
  struct Instance : Module {
    explicit Instance(int64_t channels, int64_t classes);
    Conv2d conv;
    BatchNorm bn;
    Conv2d heatmap;
    Conv2d box;
  };

  Sequential<BasicBlock> trunk_;
  Up up1_, up2_;
  Conv2d lane_, road_;
  Instance instance_;
};

}  // namespace bevgrad
