// A task: which cells of the BEV feature does a labelled box cover?
#pragma once
#include <bevgrad/train.h>

namespace lab {

/// The row. A config switches the task on: `tasks { [lab.covered] { on: true } }`.
bevgrad::TaskKind covered_cells();

}  // namespace lab
