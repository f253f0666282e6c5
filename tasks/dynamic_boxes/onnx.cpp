#include "tasks/dynamic_boxes/onnx.h"

#include "export/layers.h"
#include "tasks/dynamic_boxes/boxes.h"
#include "tasks/dynamic_boxes/dynamic_head.h"

namespace bevgrad {

OnnxMaps export_dynamic_head(OnnxLayers& layers, const OnnxMap& feature) {
  const std::string head = "bev_dynamic_head.";
  const OnnxMap shared =
      layers.conv(feature, head + "shared_conv.conv", {.padding = 1, .norm = head + "shared_conv.bn"});
  OnnxMaps maps;
  const auto branch = [&](const std::string& name) {
    const std::string path = head + "task_heads.0." + name;
    const OnnxMap hidden = layers.conv(shared, path + ".0.conv", {.padding = 1, .norm = path + ".0.bn"});
    maps.emplace_back(kDynamicMapPrefix + name,
                      layers.conv(hidden, path + ".1", {.padding = 1, .relu = false, .logits = true}));
  };
  for (const DynamicMap& map : kDynamicMaps) branch(map.name);
  branch("heatmap");
  return maps;
}

}  // namespace bevgrad
