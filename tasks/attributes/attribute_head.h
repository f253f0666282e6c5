// The head of the attribute task: a small branch of its own that says of every BEV cell what an object there would be
// like.
#pragma once
#include <memory>

#include "models/blocks.h"
#include "models/head.h"
#include "tasks/attributes/options.h"

namespace bevgrad {

/// The head's maps, [N,values of all kinds,Hb,Wb]; the softmax over a kind's channels are its probabilities.
inline constexpr const char* kBoxAttributeLogits = "box_attribute_logits";
inline constexpr const char* kLaneAttributeLogits = "lane_attribute_logits";

/// 3x3 `hidden` (conv, bn, ReLU), then 1x1 `box` and `lane`, each where it has kinds.
class AttributeHead : public Head {
 public:
  AttributeHead(int64_t in_channels, const AttributeHeadOptions& options, Generator& generator);
  NamedTensors forward(const Tensor& feature) override;

 private:
  ConvBnRelu hidden_;
  std::unique_ptr<Conv2d> box_, lane_;
};

}  // namespace bevgrad
