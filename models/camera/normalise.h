// Images on their way into the backbone.
#pragma once
#include <array>

#include "tensor/tensor.h"

namespace bevgrad {

/// (image - mean[c]) / std[c] for uint8 images [N,3,H,W] -> float32 or bfloat16, channels-last.
Tensor normalise_images(const Tensor& images, const std::array<double, 3>& mean, const std::array<double, 3>& std,
                        DType dtype = DType::Float32);

}  // namespace bevgrad
