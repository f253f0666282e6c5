// Convolution, two-dimensional; one and three dimensions are in conv_nd.h. Activations [N,C,H,W] are channels-last in
// memory (others are copied first), float32, bfloat16 or float64. Weights and biases are float32 (float64 with float64
// activations), also for bfloat16 activations. Under autocast float32 activations are computed in bfloat16 and the
// result is bfloat16.
#pragma once
#include "autograd/autograd.h"
#include "tensor/backend.h"

namespace bevgrad {

struct Conv2dOptions {
  Pair stride = 1;
  Pair padding = 0;
  Pair dilation = 1;
  int groups = 1;
  /// relu of the result, as relu() defines it: NaN stays NaN.
  bool relu = false;
};

/// y = x * weight + bias, cross-correlation with zero padding as in PyTorch. weight [K,C/groups,kh,kw], bias [K] or
/// undefined -> [N,K,OH,OW] with OH = (H + 2 padding - dilation (kh - 1) - 1) / stride + 1, rounded down. Output
/// channel k sees the input channels of its group, k / (K / groups); groups = C is a depthwise convolution. Throws
/// Error where the channels do not fit or the kernel is larger than the padded input.
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const Conv2dOptions& options = {});

/// relu?(conv2d(x, weight) * scale[k] + shift[k] + residual) as one primitive, for inference: throws Error where a
/// gradient would be recorded. scale and shift are float32 [K] or undefined; the weight times scale is kept prepared
/// for as long as neither is written, so pass the same tensors each time. The residual is converted where its dtype
/// differs.
Tensor conv2d_affine(const Tensor& x, const Tensor& weight, const ConvEpilogue& epilogue,
                     const Conv2dOptions& options = {});

}  // namespace bevgrad
