// The head of the task "covered": one map over the cells of the BEV feature.
#pragma once
#include <bevgrad/train.h>

namespace lab {

/// The public name of its map, [N,1,Hb,Wb] logits: `predict` writes it, pictures, metrics and errors call it so.
inline constexpr const char* kCoveredLogits = "covered_logits";

/// 3x3 `hidden` (conv, bn, ReLU) of `hidden_channels`, 1x1 `out`, which starts at a probability of 0.1.
class CoveredHead final : public bevgrad::Head {
 public:
  CoveredHead(int64_t channels, int64_t hidden_channels, bevgrad::Generator& generator);
  bevgrad::NamedTensors forward(const bevgrad::Tensor& feature) override;

 private:
  bevgrad::ConvBnRelu hidden_;
  bevgrad::Conv2d out_;
};

}  // namespace lab
