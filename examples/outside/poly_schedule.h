// The polynomial schedule: in each phase the rate falls to 0 as a power of the share that is left.
#pragma once
#include <bevgrad/train.h>

namespace lab {

bevgrad::LrScheduleKind poly_schedule();

}  // namespace lab
