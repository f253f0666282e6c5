// The task of docs/adding_a_task.md: which cells of the BEV feature a labelled box covers.
#pragma once
#include "tasks/task.h"

namespace bevgrad {

TaskKind covered_cells_task();

}  // namespace bevgrad
