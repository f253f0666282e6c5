// Winograd's convolution (winograd_transform.h) of 3x3 kernels with stride 1: a quarter of the products.
#pragma once
#include "tensor/backend.h"

namespace bevgrad::cpu {

/// BEVGRAD_WINOGRAD=0 in the environment leaves every convolution to the direct kernels, for comparisons.
bool winograd_is_on();

/// Whether it is the faster way, measured: for 32 channels and more on both sides of a map of 96 pixels, 256 where the
/// weight is transformed for this one use, which the largest weights are (a batch of one would want 256 and 1024, but
/// the bits of an image must not depend on the batch that it is in). In bfloat16 too, unless the processor has AMX.
/// Asked with x and y as in the forward pass, for its gradients as well: those keep nothing.
bool winograd_pays(const Tensor& x, const Tensor& y, const Tensor& weight, ConvOptions options);

/// As conv2d_forward, for float32 and bfloat16 activations; computes in float32. A value that is not finite spreads
/// over the 4x4 outputs of its tiles.
void conv2d_forward_by_winograd(const Tensor& y, const Tensor& x, const Tensor& weight, const ConvEpilogue& epilogue,
                                ConvOptions options);

/// As conv2d_backward_input, both of one type, float32 or bfloat16; computes in float32. No transformed weight is kept:
/// a weight that gradients pass by is written between two uses.
void conv2d_backward_input_by_winograd(const Tensor& dx, const Tensor& dy, const Tensor& weight, ConvOptions options);

}  // namespace bevgrad::cpu
