#include "tasks/dynamic_boxes/boxes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "autograd/autograd.h"
#include "evaluation/true_boxes.h"
#include "tasks/centre/peaks.h"

namespace bevgrad {
namespace {

constexpr int64_t kColumns = 11;

const Tensor& map_named(const std::map<std::string, Tensor>& maps, const std::string& name) {
  const auto found = maps.find(name);
  check(found != maps.end() && found->second.defined(), "decode_boxes: the dynamic head has no map {}", name);
  return found->second;
}

}  // namespace

CentreTargets box_targets(const Batch& batch, const CentreGrid& grid, int64_t classes, const LabelGrid& range,
                          Device device) {
  constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
  CentreTargetBuilder builder(batch.size(), classes, grid);
  for (int64_t n = 0; n < batch.size(); ++n) {
    const auto sample = static_cast<size_t>(n);
    if (!batch.has_boxes[sample]) {
      builder.ignore(n);
      continue;
    }
    for (const Box3d& box : batch.boxes[sample]) {
      check(box.class_id >= 0 && box.class_id < classes, "sample {}: a box has class {}, expected 0 to {}",
            key_of(batch, n), box.class_id, classes - 1);
      check(box.l > 0 && box.w > 0 && box.h > 0, "sample {}: a box is {} x {} x {} m, expected a positive size",
            key_of(batch, n), box.l, box.w, box.h);
      int64_t row = 0, column = 0;
      if (!is_true_box(box, range) || !builder.locate(box.x, box.y, row, column)) continue;
      const double dx = (box.x - grid.x_min) / grid.cell - static_cast<double>(column);
      const double dy = (box.y - grid.y_min) / grid.cell - static_cast<double>(row);
      builder.add(n, box.class_id, row, column, box.l, box.w,
                  {dx, dy, box.z, std::log(box.l), std::log(box.w), std::log(box.h), std::sin(box.yaw),
                   std::cos(box.yaw), box.has_velocity ? box.vx : kUnknown, box.has_velocity ? box.vy : kUnknown});
    }
  }
  return builder.finish(10, device);
}

Tensor decode_boxes(const std::map<std::string, Tensor>& maps, const BoxDecodeOptions& options) {
  const Tensor heatmap = ops::to(detach(map_named(maps, "heatmap")), Device());
  const MapReader reg("decode_boxes: reg", map_named(maps, "reg"), 2);
  const MapReader height("decode_boxes: height", map_named(maps, "height"), 1);
  const MapReader dim("decode_boxes: dim", map_named(maps, "dim"), 3);
  const MapReader rot("decode_boxes: rot", map_named(maps, "rot"), 2);
  const bool has_velocity = maps.count("vel") && maps.at("vel").defined();
  const Tensor& velocity_map = has_velocity ? maps.at("vel") : map_named(maps, "reg");
  const MapReader vel("decode_boxes: vel", velocity_map, 2);
  for (const auto& [name, map] : maps) {
    if (!map.defined()) continue;
    for (const int d : {0, 2, 3})
      check(map.dim() == 4 && heatmap.dim() == 4 && map.size(d) == heatmap.size(d),
            "decode_boxes: {} is {} and heatmap is {}: they do not fit", name, describe(map), describe(heatmap));
  }
  const int64_t samples = heatmap.size(0);
  Tensor decoded = full({samples, options.max_boxes, kColumns}, std::numeric_limits<float>::quiet_NaN());
  for (int64_t n = 0; n < samples; ++n) {
    float* out = decoded.data<float>() + n * options.max_boxes * kColumns;
    for (int64_t i = 0; i < options.max_boxes; ++i) out[i * kColumns + kColumns - 1] = -1;

    std::vector<RotatedBox> footprints;
    std::vector<int64_t> classes;
    std::vector<std::array<float, kColumns>> boxes;
    for (const Peak& peak : heatmap_peaks(heatmap, n, options.max_candidates, options.score_threshold)) {
      const auto read = [&](const MapReader& map, int64_t channel) { return map(n, channel, peak.row, peak.column); };
      const RotatedBox footprint{
          .x = options.x_min + (static_cast<double>(peak.column) + read(reg, 0)) * options.cell,
          .y = options.y_min + (static_cast<double>(peak.row) + read(reg, 1)) * options.cell,
          .w = exp_size(read(dim, 0)),
          .h = exp_size(read(dim, 1)),
          .angle = folded_angle(std::atan2(static_cast<double>(read(rot, 0)), read(rot, 1)), false)};
      const std::array<float, kColumns> box = {static_cast<float>(footprint.x),
                                               static_cast<float>(footprint.y),
                                               read(height, 0),
                                               static_cast<float>(footprint.w),
                                               static_cast<float>(footprint.h),
                                               static_cast<float>(exp_size(read(dim, 2))),
                                               static_cast<float>(footprint.angle),
                                               has_velocity ? read(vel, 0) : 0.0f,
                                               has_velocity ? read(vel, 1) : 0.0f,
                                               peak.score,
                                               static_cast<float>(peak.class_id)};
      if (!std::all_of(box.begin(), box.end(), [](float v) { return std::isfinite(v); })) continue;
      footprints.push_back(footprint);
      classes.push_back(peak.class_id);
      boxes.push_back(box);
    }
    int64_t row = 0;
    for (const size_t i : rotated_nms(footprints, classes, options.nms_iou)) {
      if (row == options.max_boxes) break;
      std::copy(boxes[i].begin(), boxes[i].end(), out + row++ * kColumns);
    }
  }
  return decoded;
}

}  // namespace bevgrad
