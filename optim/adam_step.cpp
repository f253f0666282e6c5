#include "internal/adam_step.h"

#include <cmath>

#include "tensor/host_device.h"
#include "tensor/launch.h"

namespace bevgrad {
namespace {

/// One element of a step. The scalars are rounded to float once, as PyTorch does.
struct AdamElement {
  float* value;
  float* exp_avg;
  float* exp_avg_sq;
  const float* gradient;
  float l2;
  float decay;  // 1 - lr * decoupled decay
  float lerp;   // 1 - beta1
  float beta2;
  float one_minus_beta2;
  float step_size;   // lr / (1 - beta1^t)
  float correction;  // sqrt(1 - beta2^t)
  float eps;

  BEVGRAD_HD void operator()(int64_t i) const {
    const float g = l2 == 0 ? gradient[i] : gradient[i] + l2 * value[i];
    const float m = exp_avg[i] + lerp * (g - exp_avg[i]);
    const float v = exp_avg_sq[i] * beta2 + one_minus_beta2 * g * g;
    exp_avg[i] = m;
    exp_avg_sq[i] = v;
    value[i] = value[i] * decay - step_size * (m / (std::sqrt(v) / correction + eps));
  }
};

}  // namespace

void adam_step(const AdamStep& o, const Tensor& value, const Tensor& gradient, Tensor& exp_avg, Tensor& exp_avg_sq) {
  if (!exp_avg.defined()) {
    exp_avg = zeros_like(value);
    exp_avg_sq = zeros_like(value);
  }
  const double t = static_cast<double>(o.step);
  const AdamElement element{value.data<float>(),
                            exp_avg.data<float>(),
                            exp_avg_sq.data<float>(),
                            gradient.data<const float>(),
                            static_cast<float>(o.coupled_decay),
                            static_cast<float>(1.0 - o.lr * o.decoupled_decay),
                            static_cast<float>(1.0 - o.beta1),
                            static_cast<float>(o.beta2),
                            static_cast<float>(1.0 - o.beta2),
                            static_cast<float>(o.lr / (1.0 - std::pow(o.beta1, t))),
                            static_cast<float>(std::sqrt(1.0 - std::pow(o.beta2, t))),
                            static_cast<float>(o.eps)};
  launch(value.device(), value.numel(), element, 4);
}

}  // namespace bevgrad
