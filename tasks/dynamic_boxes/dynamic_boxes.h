// The dynamic task: 3-D boxes of moving objects (configs: tasks.dynamic_task, network.dynamic_head and the dynamic
// fields of loss).
#pragma once
#include "tasks/task.h"

namespace bevgrad {

TaskKind dynamic_boxes_task();

}  // namespace bevgrad
