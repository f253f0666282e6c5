// How the places that deformable attention looks at begin.
#pragma once
#include <algorithm>
#include <cmath>
#include <numbers>

#include "nn/init.h"

namespace bevgrad::init {

/// Each head looks in a direction of its own, its points one cell further each (Zhu et al., "Deformable DETR", 2021).
/// `bias` [heads * repeats * points * 2] of the layer that says where: x and y of a point, the points again for every
/// repeat.
inline void deformable_offsets(const Tensor& bias, int64_t heads, int64_t repeats, int64_t points) {
  const Tensor values = detach(bias);
  float* offset = values.data<float>();
  for (int64_t head = 0; head < heads; ++head) {
    const double angle = 2 * std::numbers::pi * static_cast<double>(head) / static_cast<double>(heads);
    const double longest = std::max(std::abs(std::cos(angle)), std::abs(std::sin(angle)));
    for (int64_t i = 0; i < repeats * points; ++i) {
      const auto cells = static_cast<double>(i % points + 1);
      *offset++ = static_cast<float>(std::cos(angle) / longest * cells);
      *offset++ = static_cast<float>(std::sin(angle) / longest * cells);
    }
  }
}

}  // namespace bevgrad::init
