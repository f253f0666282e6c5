// 3-D boxes as the dynamic head's maps say them (CenterPoint's coding): encoded for training and decoded.
#pragma once
#include <cstdint>
#include <map>
#include <string>

#include "base/full_size.h"
#include "data/batch.h"
#include "data/label_schema.h"
#include "tasks/centre/centre_targets.h"
#include "tensor/tensor.h"

namespace bevgrad {

struct BoxDecodeOptions {
  double x_min = full_size::kXMin;  ///< metres, the maps' left and lower edge (column 0, row 0)
  double y_min = full_size::kYMin;
  double cell = 0.8;             ///< metres, a cell of the head's maps
  int64_t max_candidates = 500;  ///< peaks that enter the suppression
  int64_t max_boxes = 100;       ///< rows of the result
  float score_threshold = 0.1f;
  double nms_iou = 0.2;
};

/// A regressed map of the dynamic head, its channels among a target's values, and its weight in the loss.
struct DynamicMap {
  const char* name;
  int64_t first;
  int64_t channels;
  double weight = 1;
};
/// Velocities are hard to see in one frame: a fifth of the weight, as mmdetection3d's CenterPoint.
inline constexpr DynamicMap kDynamicMaps[] = {
    {"reg", 0, 2}, {"height", 2, 1}, {"dim", 3, 3}, {"rot", 6, 2}, {"vel", 8, 2, 0.2}};

/// What the head learns of a batch, on its cells: a heat map, and per box the channels of kDynamicMaps: reg (cells from
/// the peak's cell corner), height (centre z), dim (log l, w, h), rot (sin, cos), vel (NaN where the box has none).
/// Boxes that are no true boxes of `range` (evaluation/true_boxes.h) are left out. Throws as instance_targets does.
CentreTargets box_targets(const Batch& batch, const CentreGrid& grid, int64_t classes, const LabelGrid& range,
                          Device device = {});

/// The inverse. Decodes CenterPoint's maps (Yin et al., "Center-based 3D Object Detection and Tracking", 2021; channels
/// as mmdetection3d's CenterHead): "heatmap" logits [N,K,H,W], "reg" [N,2,H,W] (x, y in cells from the peak's cell
/// corner), "height" [N,1,H,W] (centre z in metres), "dim" [N,3,H,W] (log l, w, h), "rot" [N,2,H,W] (sin, cos), and
/// "vel" [N,2,H,W] (m/s; zero where absent). Sigmoid, 3x3 peaks, score threshold, rotated-IoU NMS within a class; best
/// first. Returns float32 [N,max_boxes,11]: x, y, z, l, w, h, yaw, vx, vy, score, class; unused rows are NaN with class
/// -1. A peak whose box is not finite is dropped.
Tensor decode_boxes(const std::map<std::string, Tensor>& maps, const BoxDecodeOptions& options = {});

}  // namespace bevgrad
