#include "optim/lr_schedule.h"

namespace bevgrad {

double warmup_factor(int64_t step, int64_t warmup_steps) {
  if (step >= warmup_steps) return 1.0;
  return static_cast<double>(step + 1) / static_cast<double>(warmup_steps);
}

}  // namespace bevgrad
