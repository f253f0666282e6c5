// The standard temporal fusion: a weighted mean of the frames, mixed in through two convolutions.
#pragma once
#include "models/blocks.h"
#include "models/temporal_fusion.h"
#include "tensor/random.h"

namespace bevgrad {

/// Every slot's feature is warped into the current ego frame. Per cell: score_k = `score` (1x1, with bias) on
/// concat(current, frame_k); a softmax over the frames that are valid there gives the weights of their mean, `mixed`;
/// fused = current + gamma * relu(`fusion_conv.2`(relu(`fusion_conv.0`(mixed)))). `gamma` [C] starts at 0: an untrained
/// fusion gives the current feature, bit for bit. With options.overlap `fusion_conv.0` has one more input, the share of
/// the frames that are valid in the cell (Song et al., "MemFusionMap", 2024).
class VggBlockFusion : public TemporalFusion {
 public:
  VggBlockFusion(int64_t channels, const TemporalOptions& options, const BevGrid& grid, Generator& generator);
  /// Under autocast the frames are mixed in bfloat16; scores are compared, and the result is added to `current`, in
  /// float32.
  TemporalFusionOutput forward(const Tensor& current, const History& history) override;
  bool is_neutral_untrained() const override { return true; }
  bool is_recordable() const override { return true; }

 private:
  struct FusionConv : Module {
    FusionConv(int64_t in_channels, int64_t channels);
    Tensor forward(const Tensor& x);
    Conv2d first, second;
  };

  TemporalOptions options_;
  BevGrid grid_;
  Tensor gamma_;
  Conv2d score_;
  FusionConv fusion_conv_;
};

}  // namespace bevgrad
