// A recurrent temporal fusion: the frames are gone through from the oldest to the current one.
#pragma once
#include "models/blocks.h"
#include "models/temporal_fusion.h"
#include "tensor/random.h"

namespace bevgrad {

/// A convolutional GRU (Ballas et al., "Delving deeper into convolutional networks for learning video
/// representations", ICLR 2016) over the frames, warped into the current ego frame. Per frame x, with state h:
///   z, r = sigmoid(`gates`(x, h)), n = tanh(`candidate`(x, r h)), h' = z h + (1 - z) n,
/// where `gates` and `candidate` are 3x3 convolutions of what stands side by side. A cell's first valid frame sets its
/// state to n; a frame that is not valid there leaves it. fused = current + gamma * `out`(h), 1x1. `gamma` [C] starts
/// at 0: an untrained fusion gives the current feature, bit for bit. The weights are the shares that the frames' n have
/// in the last state, from the channels' mean z.
class ConvGruFusion : public TemporalFusion {
 public:
  ConvGruFusion(int64_t channels, const TemporalOptions& options, const BevGrid& grid, Generator& generator);
  TemporalFusionOutput forward(const Tensor& current, const History& history) override;
  bool is_neutral_untrained() const override { return true; }
  bool is_recordable() const override { return true; }

 private:
  TemporalOptions options_;
  BevGrid grid_;
  Tensor gamma_;
  Conv2d gates_, candidate_, out_;
};

}  // namespace bevgrad
