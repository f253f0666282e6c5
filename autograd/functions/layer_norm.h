// Normalisation of each sample by itself: layer and group normalisation.
#pragma once
#include "autograd/autograd.h"

namespace bevgrad {

/// (x - mean) / sqrt(var + eps) * weight + bias over the last dimensions, which are `normalized_shape` (Ba et al.,
/// 2016), the variance biased. weight and bias have that shape and x's dtype, float32 with bfloat16 x, or are
/// undefined. Sums are taken in double.
Tensor layer_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight = {}, const Tensor& bias = {},
                  double eps = 1e-5);

/// The same over the channels of each of `groups` groups and all places: x [N,C,..], weight and bias [C] or undefined
/// (Wu and He, 2018). groups = C is instance normalisation.
Tensor group_norm(const Tensor& x, int64_t groups, const Tensor& weight = {}, const Tensor& bias = {},
                  double eps = 1e-5);

}  // namespace bevgrad
