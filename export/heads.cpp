#include "internal/stages.h"
#include "tasks/dynamic_boxes/boxes.h"
#include "tasks/dynamic_boxes/dynamic_head.h"
#include "tasks/static_map/static_head.h"

namespace bevgrad {

std::vector<std::pair<std::string, OnnxMap>> export_static_head(OnnxLayers& layers, const OnnxMap& feature) {
  const std::string head = "bev_static_head.";
  const OnnxMap trunk = layers.basic_block(layers.basic_block(feature, head + "trunk.0"), head + "trunk.1");
  const auto up = [&](const OnnxMap& x, const std::string& name) {
    return layers.conv(layers.enlarge(x, "linear"), head + name + ".conv", {.padding = 1, .norm = head + name + ".bn"});
  };
  const OnnxMap half = up(trunk, "up1"), full = up(half, "up2");
  const OnnxMap instance = layers.conv(half, head + "instance.conv", {.padding = 1, .norm = head + "instance.bn"});
  const auto logits = [&](const OnnxMap& x, const std::string& name) {
    return layers.conv(x, head + name, {.relu = false});
  };
  return {{kLaneLogits, logits(full, "lane")},
          {kRoadLogits, logits(full, "road")},
          {kInstanceHeatmap, logits(instance, "instance.heatmap")},
          {kInstanceBox, logits(instance, "instance.box")}};
}

std::vector<std::pair<std::string, OnnxMap>> export_dynamic_head(OnnxLayers& layers, const OnnxMap& feature) {
  const std::string head = "bev_dynamic_head.";
  const OnnxMap shared =
      layers.conv(feature, head + "shared_conv.conv", {.padding = 1, .norm = head + "shared_conv.bn"});
  std::vector<std::pair<std::string, OnnxMap>> maps;
  const auto branch = [&](const std::string& name) {
    const std::string path = head + "task_heads.0." + name;
    const OnnxMap hidden = layers.conv(shared, path + ".0.conv", {.padding = 1, .norm = path + ".0.bn"});
    maps.emplace_back(kDynamicMapPrefix + name, layers.conv(hidden, path + ".1", {.padding = 1, .relu = false}));
  };
  for (const DynamicMap& map : kDynamicMaps) branch(map.name);
  branch("heatmap");
  return maps;
}

}  // namespace bevgrad
