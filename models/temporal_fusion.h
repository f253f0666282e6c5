// What earlier frames saw, brought into the current ego frame and mixed into the current feature.
#pragma once
#include "bev/warp.h"
#include "models/blocks.h"
#include "models/network_io.h"
#include "models/network_options.h"
#include "tensor/random.h"

namespace bevgrad {

struct TemporalFusionOutput {
  Tensor fused;    ///< [N,C,H,W]
  Tensor weights;  ///< [N,1+history,H,W]: of the current frame and of each slot; 0 where masked, sums to 1
};

/// Every slot's feature is warped into the current ego frame. Per cell: score_k = `score` (1x1, with bias) on
/// concat(current, frame_k); a softmax over the frames that are valid there gives the weights of their mean, `mixed`;
/// fused = current + gamma * relu(`fusion_conv.2`(relu(`fusion_conv.0`(mixed)))). `gamma` [C] starts at 0: an untrained
/// fusion gives the current feature, bit for bit.
class TemporalFusion : public Module {
 public:
  TemporalFusion(int64_t channels, const TemporalOptions& options, const BevGrid& grid, Generator& generator);
  /// current [N,C,H,W] float32. See History for the rest; a History without slots has no valid frame. Under autocast
  /// the frames are mixed in bfloat16; scores are compared, and the result is added to `current`, in float32.
  TemporalFusionOutput forward(const Tensor& current, const History& history);

 private:
  struct FusionConv : Module {
    explicit FusionConv(int64_t channels);
    Tensor forward(const Tensor& x);
    Conv2d first, second;
  };
  struct Frame {
    Tensor feature;  // warped
    Tensor mask;     // bool [N,1,H,W]
  };
  Frame warped(const History& history, int64_t slot, const Tensor& current) const;

  TemporalOptions options_;
  BevRange range_;
  Tensor gamma_;
  Conv2d score_;
  FusionConv fusion_conv_;
};

}  // namespace bevgrad
