// Transposed convolution, two-dimensional.
#pragma once
#include "autograd/functions/conv.h"

namespace bevgrad {

/// The gradient of a convolution with respect to its input, as in PyTorch: x [N,C,H,W], weight [C,K,kh,kw], bias [K] or
/// undefined
/// -> [N,K,OH,OW] with OH = (H - 1) stride - 2 padding + kh. dtypes, autocast and errors as conv2d's. options.relu must
/// be off.
Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                        const Conv2dOptions& options = {});

}  // namespace bevgrad
