// The CUDA kernels of the backend table: cuDNN and cuBLASLt where they have one, plain functors for float64, for shapes
// that they refuse, and for what is bound by memory anyway. Everything is queued on the device's compute stream.
// Private to tensor/.
#pragma once
#include "tensor/backend.h"

namespace bevgrad::cuda {

kernels::Conv2dForward conv2d_forward;
kernels::Conv2dBackwardInput conv2d_backward_input;
kernels::Conv2dBackwardWeight conv2d_backward_weight;
kernels::MaxPool2dForward max_pool2d_forward;
kernels::MaxPool2dBackward max_pool2d_backward;
kernels::ChannelStatistics channel_statistics;
/// As the table has it; here `scale` and `shift` may be undefined too.
kernels::ChannelAffine channel_affine;
kernels::ChannelSums channel_sums;
kernels::ChannelAffineBackward channel_affine_backward;
kernels::NormForward norm_forward;
kernels::NormBackward norm_backward;
kernels::Matmul matmul;

inline constexpr Backend kBackend{
    .name = "cuda",
    .conv2d_forward = conv2d_forward,
    .conv2d_backward_input = conv2d_backward_input,
    .conv2d_backward_weight = conv2d_backward_weight,
    .max_pool2d_forward = max_pool2d_forward,
    .max_pool2d_backward = max_pool2d_backward,
    .channel_statistics = channel_statistics,
    .channel_affine = channel_affine,
    .channel_sums = channel_sums,
    .channel_affine_backward = channel_affine_backward,
    .norm_forward = norm_forward,
    .norm_backward = norm_backward,
    .matmul = matmul,
};

}  // namespace bevgrad::cuda
