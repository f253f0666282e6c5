// Room `optim`: how parameters move: optimizers, learning-rate schedules, freezing of modules. Not here: the loop that
// calls them (train/).
#pragma once
#include "optim/adafactor.h"       // IWYU pragma: export
#include "optim/adam.h"            // IWYU pragma: export
#include "optim/adamw.h"           // IWYU pragma: export
#include "optim/clip_grad_norm.h"  // IWYU pragma: export
#include "optim/cosine.h"          // IWYU pragma: export
#include "optim/freezing.h"        // IWYU pragma: export
#include "optim/lion.h"            // IWYU pragma: export
#include "optim/lr_schedule.h"     // IWYU pragma: export
#include "optim/multistep.h"       // IWYU pragma: export
#include "optim/muon.h"            // IWYU pragma: export
#include "optim/optimizer.h"       // IWYU pragma: export
#include "optim/rmsprop.h"         // IWYU pragma: export
#include "optim/schedules.h"       // IWYU pragma: export
#include "optim/sgd.h"             // IWYU pragma: export
