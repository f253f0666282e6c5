#include "tasks/task_list.h"

#include <algorithm>
#include <string_view>

#include "base/error.h"
#include "configs/judge.h"
#include "tasks/attributes/attributes.h"
#include "tasks/depth/depth.h"
#include "tasks/dynamic_boxes/dynamic_boxes.h"
#include "tasks/occupancy/occupancy.h"
#include "tasks/static_map/static_map.h"
#include "tasks/vector_map/vector_map.h"

namespace bevgrad {

std::vector<TaskKind> standard_tasks() {
  return {static_map_task(), dynamic_boxes_task(), vector_map_task(),
          depth_task(),      occupancy_task(),     attributes_task()};
}

TaskList::TaskList(const std::vector<TaskKind>& kinds, const configs::Document& document) : kinds_(kinds) {
  const configs::Judge judge(document);
  for (const TaskKind& kind : kinds_) {
    if (kind.judge) kind.judge(judge, document.proto);
    for (const HeadSpec& other : heads_)
      check(other.name != kind.module, "two tasks have a head of the name {}", kind.module);
    const bool has_head = !kind.module.empty();
    if (has_head) heads_.push_back({kind.module, kind.input, {}});
    std::shared_ptr<const Task> task = kind.make(document);
    if (!task) continue;
    for (const ActiveTask& other : active_) check(other.name != kind.name, "two tasks have the name {}", kind.name);
    if (has_head)
      heads_.back().make = [task](int64_t channels, Generator& generator) {
        return task->make_head(channels, generator);
      };
    const bool uses_history =
        std::string_view(kind.input) == kBevTemporal && document.proto.tasks().enable_static_temporal();
    active_.push_back({kind.name, kind.module, uses_history, std::move(task)});
  }
  judge.require(!active_.empty(), "tasks", "no task is on");
  const bool uses_history = std::ranges::any_of(active_, &ActiveTask::uses_history);
  judge.require(!document.proto.tasks().enable_static_temporal() || uses_history, "tasks.enable_static_temporal",
                "no task that is on takes what temporal fusion gives");
}

}  // namespace bevgrad
