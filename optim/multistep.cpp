#include "optim/multistep.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace bevgrad {
namespace {

void append_phase(MultistepSchedule& schedule, const std::vector<int64_t>& milestones, int64_t start, int64_t steps,
                  double gamma, double lr) {
  if (steps == 0) return;
  double rate = lr;
  const auto begin_piece = [&](int64_t step) {
    if (schedule.lrs.empty()) {
      schedule.lrs.push_back(rate);
    } else if (step == (schedule.milestones.empty() ? 0 : schedule.milestones.back())) {
      schedule.lrs.back() = rate;  // the piece before had no steps
    } else {
      schedule.milestones.push_back(step);
      schedule.lrs.push_back(rate);
    }
  };
  begin_piece(start);
  for (const int64_t milestone : milestones) {
    if (milestone >= steps) break;
    rate *= gamma;
    begin_piece(start + milestone);
  }
}

void check_milestones(const char* phase, const std::vector<int64_t>& milestones) {
  for (size_t i = 0; i < milestones.size(); ++i) {
    if (milestones[i] < 0 || (i > 0 && milestones[i] < milestones[i - 1]))
      throw UsageError(fmt::format("schedule: the {} milestone {} is out of order", phase, milestones[i]));
  }
}

}  // namespace

double MultistepSchedule::lr_at(int64_t step) const {
  const auto piece = std::upper_bound(milestones.begin(), milestones.end(), step) - milestones.begin();
  return lrs[static_cast<size_t>(piece)];
}

MultistepSchedule get_multistep_gamma_lr(const PhaseMilestones& milestones, int64_t train_steps, int64_t finetune_steps,
                                         double gamma, const PhaseLr& lr) {
  if (train_steps < 0 || finetune_steps < 0 || train_steps + finetune_steps == 0)
    throw UsageError(fmt::format("schedule: {} train steps and {} fine-tune steps, expected at least one step",
                                 train_steps, finetune_steps));
  check_milestones("train", milestones.train);
  check_milestones("fine-tune", milestones.finetune);
  MultistepSchedule schedule;
  append_phase(schedule, milestones.train, 0, train_steps, gamma, lr.train);
  append_phase(schedule, milestones.finetune, train_steps, finetune_steps, gamma, lr.finetune);
  return schedule;
}

int64_t milestone_step(double milestone, int64_t phase_steps) {
  return std::llround(milestone <= 1 ? milestone * static_cast<double>(phase_steps) : milestone);
}

}  // namespace bevgrad
