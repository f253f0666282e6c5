// The task of vectors: lanes and road elements as polylines that queries find (config: tasks.vector_map).
#pragma once
#include "tasks/task.h"

namespace bevgrad {

TaskKind vector_map_task();

}  // namespace bevgrad
