// The static task: lane marks, road elements and static instances (configs: tasks.static_task, network.static_head and
// the static fields of loss).
#pragma once
#include "tasks/static_map/instances.h"
#include "tasks/static_map/static_head.h"
#include "tasks/task.h"

namespace bevgrad {

TaskKind static_map_task();

StaticHeadOptions static_head_options(const config::Config& proto);
InstanceDecodeOptions instance_decode_options(const config::Config& proto);

}  // namespace bevgrad
