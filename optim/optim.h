// Room `optim`: how parameters move: optimizers, learning-rate schedules, freezing of modules. Not here: the loop that
// calls them (train/).
#pragma once
#include "optim/adamw.h"      // IWYU pragma: export
#include "optim/freezing.h"   // IWYU pragma: export
#include "optim/multistep.h"  // IWYU pragma: export
