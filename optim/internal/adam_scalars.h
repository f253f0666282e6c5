// The arithmetic of a step of Adam or AdamW on one element.
#pragma once
#include <cmath>

#include "internal/adam_step.h"
#include "tensor/host_device.h"

namespace bevgrad {

/// The scalars of a step, rounded to float once, as PyTorch does.
struct AdamScalars {
  float l2;
  float decay;  // 1 - lr * decoupled decay
  float lerp;   // 1 - beta1
  float beta2;
  float one_minus_beta2;
  float step_size;   // lr / (1 - beta1^t)
  float correction;  // sqrt(1 - beta2^t)
  float eps;

  BEVGRAD_HD void update(float& value, float& exp_avg, float& exp_avg_sq, float gradient) const {
    const float g = l2 == 0 ? gradient : gradient + l2 * value;
    const float m = exp_avg + lerp * (g - exp_avg);
    const float v = exp_avg_sq * beta2 + one_minus_beta2 * g * g;
    exp_avg = m;
    exp_avg_sq = v;
    value = value * decay - step_size * (m / (std::sqrt(v) / correction + eps));
  }
  bool operator==(const AdamScalars&) const = default;
};

inline AdamScalars scalars_of(const AdamStep& o) {
  const double t = static_cast<double>(o.step);
  return {static_cast<float>(o.coupled_decay),
          static_cast<float>(1.0 - o.lr * o.decoupled_decay),
          static_cast<float>(1.0 - o.beta1),
          static_cast<float>(o.beta2),
          static_cast<float>(1.0 - o.beta2),
          static_cast<float>(o.lr / (1.0 - std::pow(o.beta1, t))),
          static_cast<float>(std::sqrt(1.0 - std::pow(o.beta2, t))),
          static_cast<float>(o.eps)};
}

}  // namespace bevgrad
