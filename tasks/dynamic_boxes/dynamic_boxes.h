// The dynamic task: 3-D boxes of moving objects (configs: tasks.dynamic_task, network.dynamic_head and the dynamic
// fields of loss).
#pragma once
#include "tasks/dynamic_boxes/boxes.h"
#include "tasks/dynamic_boxes/dynamic_head.h"
#include "tasks/task.h"

namespace bevgrad {

TaskKind dynamic_boxes_task();

DynamicHeadOptions dynamic_head_options(const config::Config& proto);
BoxDecodeOptions box_decode_options(const config::Config& proto);

}  // namespace bevgrad
