#include "tasks/static_map/onnx.h"

#include "export/layers.h"
#include "tasks/centre/onnx_centres.h"
#include "tasks/static_map/static_head.h"

namespace bevgrad {

OnnxMaps export_static_head(OnnxLayers& layers, const OnnxMap& feature, const InstanceDecodeOptions& coding) {
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
  const OnnxMap heatmap = logits(instance, "instance.heatmap"), box = logits(instance, "instance.box");
  if (layers.wants_candidates()) {
    OnnxCentres centres(layers, heatmap, static_cast<double>(coding.score_threshold), coding.max_instances);
    centres.output(
        "instance_candidates",
        {centres.x(box, 0, coding.x_min, 0.5, coding.cell), centres.y(box, 1, coding.y_min, 0.5, coding.cell),
         centres.size(box, 2), centres.size(box, 3), centres.angle(box, 4, coding.symmetric), centres.scores()});
  }
  return {{kLaneLogits, logits(full, "lane")},
          {kRoadLogits, logits(full, "road")},
          {kInstanceHeatmap, heatmap},
          {kInstanceBox, box}};
}

}  // namespace bevgrad
