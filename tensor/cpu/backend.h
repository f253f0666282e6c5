// The CPU's kernels: oneDNN where it has one, plain loops for float64, for shapes that it refuses, and for what is
// bound by memory anyway. Private to tensor/.
#pragma once
#include "tensor/backend.h"

namespace bevgrad::cpu {

kernels::Conv2dForward conv2d_forward;
kernels::Conv2dBackwardInput conv2d_backward_input;
kernels::Conv2dBackwardWeight conv2d_backward_weight;
kernels::MaxPool2dForward max_pool2d_forward;
kernels::MaxPool2dBackward max_pool2d_backward;
kernels::ChannelStatistics channel_statistics;
kernels::ChannelAffine channel_affine;
kernels::ChannelSums channel_sums;
kernels::ChannelAffineBackward channel_affine_backward;
kernels::Matmul matmul;

/// y = relu?(y + residual), both dense in one layout; `residual` may be undefined. NaN stays NaN, as oneDNN's ReLU does
/// not have it.
void add_relu(const Tensor& y, const Tensor& residual, bool relu);

inline constexpr Backend kBackend{
    .name = "cpu",
    .conv2d_forward = conv2d_forward,
    .conv2d_backward_input = conv2d_backward_input,
    .conv2d_backward_weight = conv2d_backward_weight,
    .max_pool2d_forward = max_pool2d_forward,
    .max_pool2d_backward = max_pool2d_backward,
    .channel_statistics = channel_statistics,
    .channel_affine = channel_affine,
    .channel_sums = channel_sums,
    .channel_affine_backward = channel_affine_backward,
    .norm_forward = nullptr,
    .norm_backward = nullptr,
    .matmul = matmul,
};

}  // namespace bevgrad::cpu
