#include "optim/cosine.h"

#include <cmath>
#include <numbers>

namespace bevgrad {

LrSchedule cosine_lr(std::vector<LrPhase> phases, double min_share) {
  return [phases = std::move(phases), min_share](int64_t step) {
    double smallest = 0;
    for (const LrPhase& phase : phases) {
      if (phase.steps == 0) continue;
      smallest = phase.lr * min_share;
      if (step < phase.steps) {
        const double done = static_cast<double>(step) / static_cast<double>(phase.steps);
        return smallest + (phase.lr - smallest) * (1 + std::cos(std::numbers::pi * done)) / 2;
      }
      step -= phase.steps;
    }
    return smallest;
  };
}

}  // namespace bevgrad
