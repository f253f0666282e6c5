// The occupancy task: what fills the space around the vehicle, voxel by voxel (config: tasks.occupancy_task).
#pragma once
#include "tasks/task.h"

namespace bevgrad {

TaskKind occupancy_task();

}  // namespace bevgrad
