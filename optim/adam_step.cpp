#include "internal/adam_step.h"

#include "internal/adam_scalars.h"
#include "tensor/launch.h"

namespace bevgrad {
namespace {

struct AdamElement {
  float* value;
  float* exp_avg;
  float* exp_avg_sq;
  const float* gradient;
  AdamScalars scalars;

  BEVGRAD_HD void operator()(int64_t i) const { scalars.update(value[i], exp_avg[i], exp_avg_sq[i], gradient[i]); }
};

}  // namespace

void adam_step(const AdamStep& o, const Tensor& value, const Tensor& gradient, Tensor& exp_avg, Tensor& exp_avg_sq) {
  if (!exp_avg.defined()) {
    exp_avg = zeros_like(value);
    exp_avg_sq = zeros_like(value);
  }
  const AdamElement element{value.data<float>(), exp_avg.data<float>(), exp_avg_sq.data<float>(),
                            gradient.data<const float>(), scalars_of(o)};
  launch(value.device(), value.numel(), element, 4);
}

}  // namespace bevgrad
