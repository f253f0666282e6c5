#include "tasks/static_map/instances.h"

#include <cmath>
#include <limits>

#include "autograd/autograd.h"
#include "tasks/centre/peaks.h"

namespace bevgrad {

CentreTargets instance_targets(const Batch& batch, const CentreGrid& grid, int64_t classes,
                               const std::vector<bool>& symmetric, Device device) {
  CentreTargetBuilder builder(batch.size(), classes, grid);
  for (int64_t n = 0; n < batch.size(); ++n) {
    const auto sample = static_cast<size_t>(n);
    if (!batch.has_instances[sample]) {
      builder.ignore(n);
      continue;
    }
    for (const Instance& instance : batch.instances[sample]) {
      check(instance.class_id >= 0 && instance.class_id < classes,
            "sample {}: an instance has class {}, expected 0 to {}", key_of(batch, n), instance.class_id, classes - 1);
      check(instance.w > 0 && instance.h > 0, "sample {}: an instance is {} m x {} m, expected a positive size",
            key_of(batch, n), instance.w, instance.h);
      int64_t row = 0, column = 0;
      if (!builder.locate(instance.x, instance.y, row, column)) continue;
      const bool is_symmetric = symmetric.at(static_cast<size_t>(instance.class_id));
      const double angle = folded_angle(instance.angle, is_symmetric);
      const double dx = (instance.x - grid.x_min) / grid.cell - (static_cast<double>(column) + 0.5);
      const double dy = (instance.y - grid.y_min) / grid.cell - (static_cast<double>(row) + 0.5);
      builder.add(n, instance.class_id, row, column, instance.w, instance.h,
                  {dx, dy, std::log(instance.w), std::log(instance.h), std::sin(angle), std::cos(angle)});
    }
  }
  return builder.finish(6, device);
}

DecodedInstances decode_instances(const Tensor& heatmap_logits, const Tensor& box_map,
                                  const InstanceDecodeOptions& options) {
  const MapReader box("decode_instances: box map", box_map, 6);
  check(heatmap_logits.defined() && heatmap_logits.dim() == 4, "decode_instances: the heat map is not [N,K,H,W]");
  for (const int d : {0, 2, 3})
    check(heatmap_logits.size(d) == box_map.size(d), "decode_instances: heat map {} and box map {} do not fit",
          describe(heatmap_logits), describe(box_map));
  check(static_cast<int64_t>(options.symmetric.size()) == heatmap_logits.size(1),
        "decode_instances: {} entries in symmetric for {} classes", options.symmetric.size(), heatmap_logits.size(1));
  const Tensor heatmap = ops::to(detach(heatmap_logits), Device());
  const int64_t samples = heatmap.size(0);
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  DecodedInstances decoded{full({samples, options.max_instances, 6}, nan), full({samples, options.max_instances}, nan)};
  for (int64_t n = 0; n < samples; ++n) {
    float* row = decoded.instances.data<float>() + n * options.max_instances * 6;
    float* score = decoded.scores.data<float>() + n * options.max_instances;
    for (int64_t i = 0; i < options.max_instances; ++i) row[i * 6 + 5] = -1;

    std::vector<RotatedBox> boxes;
    std::vector<int64_t> classes;
    std::vector<float> scores;
    for (const Peak& peak : heatmap_peaks(heatmap, n, options.max_instances, options.score_threshold)) {
      const auto value = [&](int64_t channel) { return box(n, channel, peak.row, peak.column); };
      bool finite = true;
      for (int64_t c = 0; c < 6; ++c) finite = finite && std::isfinite(value(c));
      if (!finite) continue;
      boxes.push_back({.x = options.x_min + (static_cast<double>(peak.column) + 0.5 + value(0)) * options.cell,
                       .y = options.y_min + (static_cast<double>(peak.row) + 0.5 + value(1)) * options.cell,
                       .w = exp_size(value(2)),
                       .h = exp_size(value(3)),
                       .angle = folded_angle(std::atan2(static_cast<double>(value(4)), value(5)),
                                             options.symmetric[static_cast<size_t>(peak.class_id)])});
      classes.push_back(peak.class_id);
      scores.push_back(peak.score);
    }
    for (const size_t i : rotated_nms(boxes, classes, options.nms_iou)) {
      *row++ = static_cast<float>(boxes[i].x);
      *row++ = static_cast<float>(boxes[i].y);
      *row++ = static_cast<float>(boxes[i].w);
      *row++ = static_cast<float>(boxes[i].h);
      *row++ = static_cast<float>(boxes[i].angle);
      *row++ = static_cast<float>(classes[i]);
      *score++ = scores[i];
    }
  }
  return decoded;
}

}  // namespace bevgrad
