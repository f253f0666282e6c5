// The learning rate as a function of the step.
#pragma once
#include <cstdint>
#include <functional>

namespace bevgrad {

/// The rate of a global step (from 0), before warm-up and scaling by the number of ranks.
using LrSchedule = std::function<double(int64_t step)>;

/// A part of a run: so many steps, which begin at this rate.
struct LrPhase {
  int64_t steps = 0;
  double lr = 0;
};

/// Linear warm-up: the share of the rate that step `step` (from 0) takes; 1 from `warmup_steps` on, always where that
/// is 0.
double warmup_factor(int64_t step, int64_t warmup_steps);

}  // namespace bevgrad
