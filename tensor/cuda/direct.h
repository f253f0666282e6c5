// Convolution and matrix product as plain functors, one thread an output element, sums in double: they serve float64
// and whatever cuDNN and cuBLASLt refuse. Weights are [out,in,kh,kw] as the table has them.
#pragma once
#include "tensor/backend.h"

namespace bevgrad::cuda::direct {

void conv2d_forward(const Tensor& y, const Tensor& x, const Tensor& weight, const ConvEpilogue& epilogue,
                    ConvOptions options);
void conv2d_backward_input(const Tensor& dx, const Tensor& dy, const Tensor& weight, ConvOptions options);
void conv2d_backward_weight(const Tensor& dweight, const Tensor& x, const Tensor& dy, ConvOptions options);

void matmul(const Tensor& c, const Tensor& a, const Tensor& b, bool transpose_a, bool transpose_b,
            const MatmulEpilogue& epilogue);

}  // namespace bevgrad::cuda::direct
