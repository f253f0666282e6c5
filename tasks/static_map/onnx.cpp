#include "tasks/static_map/onnx.h"

#include "export/layers.h"
#include "tasks/static_map/static_head.h"

namespace bevgrad {

OnnxMaps export_static_head(OnnxLayers& layers, const OnnxMap& feature) {
  const std::string head = "bev_static_head.";
  const OnnxMap trunk = layers.basic_block(layers.basic_block(feature, head + "trunk.0"), head + "trunk.1");
  const auto up = [&](const OnnxMap& x, const std::string& name) {
    return layers.conv(layers.enlarge(x, "linear"), head + name + ".conv", {.padding = 1, .norm = head + name + ".bn"});
  };
  const OnnxMap half = up(trunk, "up1"), full = up(half, "up2");
  const OnnxMap instance = layers.conv(half, head + "instance.conv", {.padding = 1, .norm = head + "instance.bn"});
  const auto logits = [&](const OnnxMap& x, const std::string& name) {
    return layers.conv(x, head + name, {.relu = false, .logits = true});
  };
  return {{kLaneLogits, logits(full, "lane")},
          {kRoadLogits, logits(full, "road")},
          {kInstanceHeatmap, logits(instance, "instance.heatmap")},
          {kInstanceBox, logits(instance, "instance.box")}};
}

}  // namespace bevgrad
