// The depth task: how far away the cameras' pixels look, learned from the LiDAR (config: tasks.depth). It has no head;
// it takes the depth maps of the view transform.
#pragma once
#include "tasks/task.h"

namespace bevgrad {

TaskKind depth_task();

}  // namespace bevgrad
