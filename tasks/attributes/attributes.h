// The attribute task: what vehicles, people and lane marks are like besides their class (configs: tasks.attribute_task
// and tasks.attributes).
#pragma once
#include "tasks/task.h"

namespace bevgrad {

TaskKind attributes_task();

}  // namespace bevgrad
