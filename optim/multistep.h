// The learning rate over a run: a train phase, then a fine-tune phase, each with milestones at which it falls.
#pragma once
#include <cstdint>
#include <vector>

namespace bevgrad {

/// Steps after the start of a phase.
struct PhaseMilestones {
  std::vector<int64_t> train;
  std::vector<int64_t> finetune;
};

struct PhaseLr {
  double train = 0;
  double finetune = 0;
};

/// Pieces of constant rate: lrs[i] holds from milestones[i-1] (or 0) until before milestones[i]; one more lr than
/// milestones.
struct MultistepSchedule {
  std::vector<int64_t> milestones;  ///< global steps, rising
  std::vector<double> lrs;

  double lr_at(int64_t step) const;
};

/// The pieces of a run of `train_steps` and then `finetune_steps`: within a phase the rate starts at the phase's lr and
/// is multiplied by `gamma` at each of its milestones. A phase without steps leaves no trace, whatever its milestones;
/// milestones at or past a phase's end fall away. Throws UsageError where milestones fall or are negative.
MultistepSchedule get_multistep_gamma_lr(const PhaseMilestones& milestones, int64_t train_steps, int64_t finetune_steps,
                                         double gamma, const PhaseLr& lr);

/// A milestone as a config writes it: up to 1 a fraction of the phase (rounded to the nearest step), above 1 steps.
int64_t milestone_step(double milestone, int64_t phase_steps);

}  // namespace bevgrad
