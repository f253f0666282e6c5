// Transposed convolution, two-dimensional; one and three dimensions are in conv_nd.h.
#pragma once
#include "autograd/functions/conv.h"

namespace bevgrad {

struct ConvTranspose2dOptions {
  Pair stride = 1;
  Pair padding = 0;
  /// Rows and columns added at the end, where several input sizes of the convolution give one output size; smaller than
  /// the stride or the dilation.
  Pair output_padding = 0;
  int groups = 1;
  Pair dilation = 1;
};

/// The gradient of a convolution with respect to its input, as in PyTorch: x [N,C,H,W], weight [C,K/groups,kh,kw], bias
/// [K] or undefined -> [N,K,OH,OW] with OH = (H - 1) stride - 2 padding + dilation (kh - 1) + output_padding + 1.
/// dtypes, autocast and errors as conv2d's.
Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                        const ConvTranspose2dOptions& options = {});

}  // namespace bevgrad
