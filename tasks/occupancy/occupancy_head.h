// The head of the occupancy task: the BEV feature's channels become heights, as FlashOcc (Yu et al., 2023).
#pragma once
#include "models/head.h"
#include "nn/conv.h"
#include "tasks/occupancy/options.h"

namespace bevgrad {

/// The head's map: [N,levels*(classes+1),Hv,Wv], channel level * (classes + 1) + class; free is the last class.
inline constexpr const char* kOccupancyLogits = "occupancy_logits";

/// The feature, doubled in size (bilinear) as often as the voxels ask for, goes through `final_conv.conv` (3x3, ReLU)
/// and `predicter`, FlashOcc's two linear layers as 1x1 convolutions: "0" to twice the channels, softplus, "2" to the
/// scores of a column of voxels.
class OccupancyHead : public Head {
 public:
  OccupancyHead(int64_t in_channels, const OccupancyHeadOptions& options, Generator& generator);
  NamedTensors forward(const Tensor& feature) override;

 private:
  struct FinalConv : Module {
    FinalConv(int64_t in_channels, int64_t channels);
    Conv2d conv;
  };
  struct Predicter : Module {
    Predicter(int64_t channels, int64_t scores);
    Conv2d hidden, out;
  };

  int64_t doublings_;
  FinalConv final_conv_;
  Predicter predicter_;
};

}  // namespace bevgrad
