// Instances as the static head's maps say them: rotated rectangles on the ground, encoded for training and decoded.
#pragma once
#include <cstdint>
#include <vector>

#include "base/full_size.h"
#include "data/batch.h"
#include "tasks/centre/centre_targets.h"
#include "tensor/tensor.h"

namespace bevgrad {

struct InstanceDecodeOptions {
  double x_min = full_size::kXMin;  ///< metres, the maps' left and lower edge (column 0, row 0)
  double y_min = full_size::kYMin;
  double cell = 0.4;  ///< metres, a cell of the instance maps
  int64_t max_instances = 100;
  float score_threshold = 0.3f;
  double nms_iou = 0.2;
  /// Per class: it looks the same turned by pi, so its angle is folded into (-pi/2, pi/2].
  std::vector<bool> symmetric = {true, false, true, true};
};

/// What the head learns of a batch, on its cells: a heat map, and per instance dx, dy (cells from the centre of the
/// peak's cell), log w, log h, sin, cos. Throws for a class at or past `classes` or a size that is not positive, naming
/// the sample's key. The heat map lies on `device`.
CentreTargets instance_targets(const Batch& batch, const CentreGrid& grid, int64_t classes,
                               const std::vector<bool>& symmetric, Device device = {});

/// What is decoded, `max_instances` rows a sample; unused rows are NaN with class -1.
struct DecodedInstances {
  Tensor instances;  ///< float32 [N,max,6]: centre x, centre y, w, h (metres), angle (radians), class
  Tensor scores;     ///< float32 [N,max]: NaN where unused
};

/// The inverse. Decodes heat-map logits [N,K,H,W] and box maps [N,6,H,W] = dx, dy (cells, from the centre of the peak's
/// cell), log w, log h, sin, cos: sigmoid, 3x3 peaks, the best `max_instances`, score threshold, rotated-IoU NMS within
/// a class; best first. A peak whose box is not finite is dropped.
DecodedInstances decode_instances(const Tensor& heatmap_logits, const Tensor& box_map,
                                  const InstanceDecodeOptions& options = {});

}  // namespace bevgrad
