// Resizing by every rule that PyTorch's interpolate has for activations [N,C,H,W].
#pragma once
#include "autograd/autograd.h"
#include "tensor/pair.h"

namespace bevgrad {

/// NearestExact rounds half positions as Pillow and OpenCV do, Nearest keeps an old rule's offset; Area is
/// adaptive_avg_pool2d; Bicubic is Keys' cubic convolution (1981) with a = -0.75 (-0.5 with antialias).
enum class InterpolateMode { Nearest, NearestExact, Bilinear, Bicubic, Area };

struct InterpolateOptions {
  InterpolateMode mode = InterpolateMode::Nearest;
  /// Of Bilinear and Bicubic: the border pixels' centres of both maps lie on one another.
  bool align_corners = false;
  /// Of Bilinear and Bicubic: kernels grow when a map shrinks, as Pillow's do.
  bool antialias = false;
};

/// torch.nn.functional.interpolate to `size`: x [N,C,H,W] in float32, bfloat16 or float64. What interpolate.h has is
/// computed there; the others are a product with a matrix for each of the two dimensions.
Tensor interpolate(const Tensor& x, Pair size, const InterpolateOptions& options = {});

}  // namespace bevgrad
