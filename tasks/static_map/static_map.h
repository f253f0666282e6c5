// The static task: lane marks, road elements and static instances (configs: tasks.static_task, network.static_head and
// the static fields of loss).
#pragma once
#include "tasks/task.h"

namespace bevgrad {

TaskKind static_map_task();

}  // namespace bevgrad
