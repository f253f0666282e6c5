// A temporal fusion: in every cell the current frame attends to all frames.
#pragma once
#include <bevgrad/train.h>

namespace lab {

/// Per cell and head: softmax over the frames of q(current) . k(frame) / sqrt(width) weighs v(frame); `out` (1x1) mixes
/// the heads and is added to the current feature, scaled by `gamma`, which starts at 0.
class AttentionFusion : public bevgrad::TemporalFusion {
 public:
  AttentionFusion(const bevgrad::NetworkOptions& options, int64_t heads, bevgrad::Generator& generator);
  bevgrad::TemporalFusionOutput forward(const bevgrad::Tensor& current, const bevgrad::History& history) override;
  bool is_neutral_untrained() const override { return true; }

 private:
  bevgrad::TemporalOptions options_;
  bevgrad::BevGrid grid_;
  int64_t heads_, channels_;
  bevgrad::Conv2d q_, k_, v_, out_;
  bevgrad::Tensor gamma_;
};

/// The row: its name in configs, what makes it and what judges its options.
bevgrad::TemporalFusionKind attention_fusion();

}  // namespace lab
