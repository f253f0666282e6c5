// The static map: lane marks, road elements and static instances.
#pragma once
#include "models/basic_block.h"
#include "models/head.h"
#include "nn/sequential.h"
#include "tensor/random.h"

namespace bevgrad {

/// The head's maps, for a feature [N,C,H,W].
inline constexpr const char* kLaneLogits = "lane_logits";            ///< [N,lane classes,4H,4W]
inline constexpr const char* kRoadLogits = "road_logits";            ///< [N,road classes,4H,4W]
inline constexpr const char* kInstanceHeatmap = "instance_heatmap";  ///< [N,instance classes,2H,2W], logits
inline constexpr const char* kInstanceBox = "instance_box";  ///< [N,6,2H,2W]: dx, dy (cells), log w, log h, sin, cos

/// Sizes of the head; the defaults are the full-size network's.
struct StaticHeadOptions {
  int64_t up1_channels = 64;
  int64_t up2_channels = 32;
  int64_t lane_classes = 9;
  int64_t road_classes = 4;
  int64_t instance_classes = 4;

  bool operator==(const StaticHeadOptions&) const = default;
};

/// `trunk` (two BasicBlocks), `up1` and `up2` (bilinear x2, 3x3 `conv` without bias, `bn`, ReLU); `lane` and `road`
/// (1x1) on the finer map, `instance` (3x3 `conv`, `bn`, ReLU; 1x1 `heatmap` and `box`) on up1's. Output biases start
/// at a probability of 0.01, the heat map's at 0.1.
class StaticHead : public Head {
 public:
  StaticHead(int64_t in_channels, const StaticHeadOptions& options, Generator& generator);
  NamedTensors forward(const Tensor& x) override;

 private:
  struct Up : ConvBnRelu {
    using ConvBnRelu::ConvNormRelu;
    Tensor forward(const Tensor& x, bool only_convolved);
  };
  struct Instance : Module {
    explicit Instance(int64_t channels, int64_t classes);
    NamedTensors forward(const Tensor& x);
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
