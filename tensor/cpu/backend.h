// The CPU's kernels: oneDNN where it has one, plain loops for float64, for shapes that it refuses, and for what is
// bound by memory anyway. Private to tensor/.
#pragma once
#include "tensor/backend.h"

namespace bevgrad::cpu {

const Backend& backend();

void conv2d_forward(const Tensor& y, const Tensor& x, const Tensor& weight, const ConvEpilogue& epilogue,
                    ConvOptions options);
void conv2d_backward_input(const Tensor& dx, const Tensor& dy, const Tensor& weight, ConvOptions options);
void conv2d_backward_weight(const Tensor& dweight, const Tensor& x, const Tensor& dy, ConvOptions options);

void max_pool2d_forward(const Tensor& y, const Tensor& index, const Tensor& x, int kernel, ConvOptions options);
void max_pool2d_backward(const Tensor& dx, const Tensor& dy, const Tensor& index, int kernel, ConvOptions options);

void channel_statistics(const Tensor& mean, const Tensor& variance, const Tensor& x, int64_t last_row_count);
void channel_affine(const Tensor& y, const Tensor& x, const Tensor& scale, const Tensor& shift, const Tensor& residual,
                    bool relu);
/// y = relu?(y + residual), both dense in one layout; `residual` may be undefined. NaN stays NaN, as oneDNN's ReLU does
/// not have it.
void add_relu(const Tensor& y, const Tensor& residual, bool relu);
void channel_sums(const Tensor& sum_dz, const Tensor& sum_dz_x, const Tensor& dz, const Tensor& dy,
                  const ReluMask& mask, const Tensor& x, const Tensor& mean);
void channel_affine_backward(const Tensor& dx, const Tensor& dy, const ReluMask& mask, const Tensor& x,
                             const ChannelGradient& gradient);

void matmul(const Tensor& c, const Tensor& a, const Tensor& b, bool transpose_a, bool transpose_b,
            const MatmulEpilogue& epilogue);

}  // namespace bevgrad::cpu
