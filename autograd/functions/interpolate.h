// Resizing of activations [N,C,H,W], float32, bfloat16 or float64.
#pragma once
#include "autograd/autograd.h"

namespace bevgrad {

/// Nearest neighbour to [height,width], as in PyTorch: source = floor(index * in / out).
Tensor interpolate_nearest(const Tensor& x, int64_t height, int64_t width);
/// Bilinear to [height,width], align_corners false as in PyTorch: source = (index + 0.5) in / out - 0.5, clamped at the
/// border.
Tensor interpolate_bilinear(const Tensor& x, int64_t height, int64_t width);
/// nearest(x, to the size of y) + y: the top-down step of a feature pyramid, without the enlarged tensor in between.
Tensor upsample_add(const Tensor& x, const Tensor& y);

}  // namespace bevgrad
