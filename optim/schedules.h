// Learning-rate schedules beyond multistep and cosine, as torch.optim.lr_scheduler has them. Each starts anew with
// every phase of a run; one without steps leaves no trace, and a step past the last phase has the rate that one step
// after it would have. Warm-up (warmup_factor) comes before any.
#pragma once
#include <vector>

#include "optim/lr_schedule.h"

namespace bevgrad {

/// StepLR: times gamma every `step_size` steps.
LrSchedule step_lr(std::vector<LrPhase> phases, int64_t step_size, double gamma);

/// ExponentialLR: times gamma every step.
LrSchedule exponential_lr(std::vector<LrPhase> phases, double gamma);

/// CosineAnnealingWarmRestarts (Loshchilov and Hutter, "SGDR", ICLR 2017): half a cosine to `min_share` of the rate
/// over `period` steps, then again from the top, each time over `multiplier` times as many steps.
LrSchedule cosine_restarts_lr(std::vector<LrPhase> phases, int64_t period, int64_t multiplier, double min_share);

struct OneCycleOptions {
  double pct_start = 0.3;         ///< share of the steps in which the rate rises
  double div_factor = 25;         ///< the phase's rate, the highest, over the first one
  double final_div_factor = 1e4;  ///< the first rate over the last one
  bool linear = false;            ///< straight lines instead of halves of a cosine
};
/// OneCycleLR (Smith and Topin, 2018): from a small rate to the phase's and down to next to nothing at its last step.
LrSchedule one_cycle_lr(std::vector<LrPhase> phases, OneCycleOptions options = {});

/// PolynomialLR: (1 - step / steps)^power.
LrSchedule polynomial_lr(std::vector<LrPhase> phases, double power);

/// Warm-up, stable, decay (Hu et al., "MiniCPM", 2024): the phase's rate until the last `decay_share` of its steps, in
/// which it falls in a straight line towards `min_share` of it.
LrSchedule wsd_lr(std::vector<LrPhase> phases, double decay_share, double min_share);

struct PlateauOptions {
  double factor = 0.1;
  int64_t patience = 10;    ///< values without an improvement that are borne
  double threshold = 1e-4;  ///< an improvement is larger than this share of the best
  int64_t cooldown = 0;     ///< values after a fall in which none is counted
  double min_lr = 0;
  bool larger_is_better = false;
};

/// ReduceLROnPlateau: a rate that falls when a value stops improving. Its state is what a program saves to go on.
class PlateauLr {
 public:
  struct State {
    double lr = 0, best = 0;
    int64_t bad = 0, cooling = 0;
    bool any = false;  ///< whether a value has been seen
  };

  explicit PlateauLr(double lr, PlateauOptions options = {});
  /// The value after a validation, say; returns the rate from now on.
  double step(double value);
  double lr() const { return state_.lr; }
  const State& state() const { return state_; }
  void load(const State& state) { state_ = state; }

 private:
  bool improves(double value) const;

  PlateauOptions options_;
  State state_;
};

}  // namespace bevgrad
