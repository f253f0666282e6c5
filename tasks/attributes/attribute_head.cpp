#include "tasks/attributes/attribute_head.h"

#include "nn/init.h"
#include "nn/module_call.h"

namespace bevgrad {

AttributeHead::AttributeHead(int64_t in_channels, const AttributeHeadOptions& options, Generator& generator)
    : hidden_(in_channels, options.channels, conv3x3()) {
  register_module("hidden", hidden_);
  const auto add = [&](const char* name, int64_t scores, std::unique_ptr<Conv2d>& map) {
    if (scores == 0) return;
    map = std::make_unique<Conv2d>(options.channels, scores);
    register_module(name, *map);
  };
  add("box", options.box_scores, box_);
  add("lane", options.lane_scores, lane_);
  init::reset_parameters_resnet(*this, generator);
  for (Conv2d* map : {box_.get(), lane_.get()})
    if (map != nullptr) init::normal(map->weight, 0, 0.01, generator);
}

NamedTensors AttributeHead::forward(const Tensor& feature) {
  return module_call(*this, [&] {
    const Tensor hidden = hidden_.forward(feature);
    NamedTensors maps;
    if (box_) maps.emplace_back(kBoxAttributeLogits, box_->forward(hidden));
    if (lane_) maps.emplace_back(kLaneAttributeLogits, lane_->forward(hidden));
    return maps;
  });
}

}  // namespace bevgrad
