#include "tasks/dynamic_boxes/onnx.h"

#include <algorithm>

#include "export/layers.h"
#include "tasks/centre/onnx_centres.h"
#include "tasks/dynamic_boxes/dynamic_head.h"

namespace bevgrad {

OnnxMaps export_dynamic_head(OnnxLayers& layers, const OnnxMap& feature, const BoxDecodeOptions& coding) {
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
  if (layers.wants_candidates()) {
    const auto map = [&](const std::string& name) -> const OnnxMap& {
      return std::ranges::find(maps, kDynamicMapPrefix + name, &OnnxMaps::value_type::first)->second;
    };
    OnnxCentres centres(layers, map("heatmap"), static_cast<double>(coding.score_threshold), coding.max_candidates);
    const OnnxMap &reg = map("reg"), &dim = map("dim");
    centres.output(
        "box_candidates",
        {centres.x(reg, 0, coding.x_min, 0, coding.cell), centres.y(reg, 1, coding.y_min, 0, coding.cell),
         centres.read(map("height"), 0), centres.size(dim, 0), centres.size(dim, 1), centres.size(dim, 2),
         centres.angle(map("rot"), 0, {}), centres.read(map("vel"), 0), centres.read(map("vel"), 1), centres.scores()});
  }
  return maps;
}

}  // namespace bevgrad
