// From the dynamic head's maps to 3-D boxes.
#pragma once
#include <cstdint>
#include <map>
#include <string>

#include "tensor/tensor.h"

namespace bevgrad {

struct BoxDecodeOptions {
  double x_min = -20.8;  ///< metres, the maps' left and lower edge (column 0, row 0)
  double y_min = -22.4;
  double cell = 0.8;             ///< metres, a cell of the head's maps
  int64_t max_candidates = 500;  ///< peaks that enter the suppression
  int64_t max_boxes = 100;       ///< rows of the result
  float score_threshold = 0.1f;
  double nms_iou = 0.2;
};

/// Decodes CenterPoint's maps (Yin et al., "Center-based 3D Object Detection and Tracking", 2021; channels as
/// mmdetection3d's CenterHead): "heatmap" logits [N,K,H,W], "reg" [N,2,H,W] (x, y in cells from the peak's cell
/// corner), "height" [N,1,H,W] (centre z in metres), "dim" [N,3,H,W] (log l, w, h), "rot" [N,2,H,W] (sin, cos), and
/// "vel" [N,2,H,W] (m/s; zero where absent). Sigmoid, 3x3 peaks, score threshold, rotated-IoU NMS within a class; best
/// first. Returns float32 [N,max_boxes,11]: x, y, z, l, w, h, yaw, vx, vy, score, class; unused rows are NaN with class
/// -1. A peak whose box is not finite is dropped.
Tensor decode_boxes(const std::map<std::string, Tensor>& maps, const BoxDecodeOptions& options = {});

}  // namespace bevgrad
