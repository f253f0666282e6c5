// The weight gradient of 3x3 kernels with stride 1 by the transpose of Winograd's convolution.
#pragma once
#include "tensor/backend.h"

namespace bevgrad::cpu {

/// As conv2d_backward_weight, for float32 and bfloat16 activations; computes in float32. The bits do not depend on the
/// number of threads.
void conv2d_backward_weight_by_winograd(const Tensor& dweight, const Tensor& x, const Tensor& dy, ConvOptions options);

}  // namespace bevgrad::cpu
