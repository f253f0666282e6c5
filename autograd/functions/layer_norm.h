// Normalisation of each sample by itself: layer and group normalisation.
#pragma once
#include <optional>

#include "autograd/autograd.h"

namespace bevgrad {

/// (x - mean) / sqrt(var + eps) * weight + bias over the last dimensions, which are `normalized_shape` (Ba et al.,
/// 2016), the variance biased. weight and bias have that shape and x's dtype, float32 with bfloat16 x, or are
/// undefined. Sums are taken in double.
Tensor layer_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight = {}, const Tensor& bias = {},
                  double eps = 1e-5);

/// The same over the channels of each of `groups` groups and all places: x [N,C,..], weight and bias [C] or undefined
/// (Wu and He, 2018).
Tensor group_norm(const Tensor& x, int64_t groups, const Tensor& weight = {}, const Tensor& bias = {},
                  double eps = 1e-5);
/// group_norm with a group for each channel (Ulyanov et al., 2016), always with the sample's own statistics.
Tensor instance_norm(const Tensor& x, const Tensor& weight = {}, const Tensor& bias = {}, double eps = 1e-5);
/// x / sqrt(mean of x^2 + eps) * weight over the last dimensions, which are `normalized_shape` (Zhang and Sennrich,
/// 2019). weight has that shape and x's dtype, float32 with bfloat16 x (which is computed in float32), or is undefined;
/// eps is the compute dtype's smallest step at 1 where it is not given, as in PyTorch.
Tensor rms_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight = {},
                std::optional<double> eps = {});

}  // namespace bevgrad
