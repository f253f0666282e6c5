// Losses of boxes by how much they overlap. Boxes are rows of numbers, predicted and target [N,4] or [N,5] of one dtype
// (float32 or float64); both get gradients where they ask for one.
#pragma once
#include "nn/common_losses.h"

namespace bevgrad {

/// 1 - IoU of boxes (x0, y0, x1, y1), x1 >= x0 and y1 >= y0; the IoU of two empty boxes is 0. As
/// 1 - torchvision.ops.box_iou of each pair.
Tensor iou_loss(const Tensor& predicted, const Tensor& targets, Reduction reduction = Reduction::Mean);

/// 1 - GIoU (Rezatofighi et al., "Generalized intersection over union", CVPR 2019) of such boxes, in 0..2: it also
/// pulls boxes together that do not touch. As torchvision.ops.generalized_box_iou_loss.
Tensor giou_loss(const Tensor& predicted, const Tensor& targets, Reduction reduction = Reduction::Mean);

/// 1 - IoU of boxes (centre x, centre y, length, width, angle) that are turned by any angle (Zhou et al., "IoU loss for
/// 2D/3D object detection", 3DV 2019). Lengths and widths are positive; boxes that do not touch get no gradient.
/// Computed on the CPU in float64.
Tensor rotated_iou_loss(const Tensor& predicted, const Tensor& targets, Reduction reduction = Reduction::Mean);

}  // namespace bevgrad
