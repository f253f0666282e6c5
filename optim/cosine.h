// Cosine annealing (Loshchilov and Hutter, "SGDR", ICLR 2017): torch.optim.lr_scheduler.CosineAnnealingLR's closed
// form.
#pragma once
#include <vector>

#include "optim/lr_schedule.h"

namespace bevgrad {

/// Within each phase the rate falls along half a cosine from the phase's lr towards `min_share` of it, which the first
/// step after the phase would have. Phases follow one another; one without steps leaves no trace. A step past the last
/// phase has its smallest rate.
LrSchedule cosine_lr(std::vector<LrPhase> phases, double min_share);

}  // namespace bevgrad
