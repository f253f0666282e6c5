// Pictures without the own vehicle.
#pragma once
#include <array>

#include "geometry/camera.h"
#include "tensor/tensor.h"

namespace bevgrad {

/// Sets the pixels of a picture [3,H,W] (uint8 or float32, of any strides) whose centres the mask covers to `value`,
/// one a channel.
void fill_ego_mask(const EgoMask& mask, const Tensor& image, const std::array<float, 3>& value = {0, 0, 0});

}  // namespace bevgrad
