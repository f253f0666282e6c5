#include "tasks/occupancy/options.h"

#include <algorithm>
#include <bit>

#include "base/near_names.h"
#include "data/sample.h"

namespace bevgrad {
namespace {

uint8_t seen_bits(config::OccupancyTask::Seen seen) {
  switch (seen) {
    case config::OccupancyTask::camera:
      return kVoxelSeenByCamera;
    case config::OccupancyTask::lidar:
      return kVoxelSeenByLidar;
    case config::OccupancyTask::all:
      return 0;
    case config::OccupancyTask::either:
      break;
  }
  return kVoxelSeenByCamera | kVoxelSeenByLidar;
}

int64_t voxels_a_cell(const config::Config& proto) {
  return std::llround(proto.grid().bev_cell() / proto.tasks().occupancy().voxel());
}

}  // namespace

OccupancyHeadOptions occupancy_head_options(const config::Config& proto) {
  const config::OccupancyTask& task = proto.tasks().occupancy();
  return {.channels = task.channels(),
          .doublings = std::countr_zero(static_cast<uint64_t>(voxels_a_cell(proto))),
          .levels = task.levels(),
          .classes = task.classes_size()};
}

VoxelGrid voxel_grid(const config::Config& proto) {
  const config::OccupancyTask& task = proto.tasks().occupancy();
  const auto& range = proto.grid().pc_range();
  return {.x_min = range[0],
          .y_min = range[1],
          .z_min = task.z_min(),
          .cell = task.voxel(),
          .levels = task.levels(),
          .rows = std::llround((range[4] - range[1]) / task.voxel()),
          .columns = std::llround((range[3] - range[0]) / task.voxel())};
}

OccupancySpace occupancy_space(const config::Config& proto) {
  const config::OccupancyTask& task = proto.tasks().occupancy();
  OccupancySpace space;
  space.grid = voxel_grid(proto);
  space.classes.assign(task.classes().begin(), task.classes().end());
  for (const std::string& name : space.classes)
    space.drivable.push_back(std::ranges::find(task.drivable_classes(), name) != task.drivable_classes().end());
  space.seen = seen_bits(task.seen());
  return space;
}

void judge_occupancy(const configs::Judge& judge, const config::Config& proto) {
  const config::OccupancyTask& task = proto.tasks().occupancy();
  const std::string at = "tasks.occupancy.";
  judge.not_negative(at + "weight", task.weight());
  judge.positive(at + "voxel", task.voxel());
  const double voxels = proto.grid().bev_cell() / task.voxel();
  const bool fits = voxels < 16 && std::abs(voxels - std::round(voxels)) < 1e-6 &&
                    std::has_single_bit(static_cast<uint64_t>(std::llround(voxels)));
  judge.require(fits || !proto.tasks().occupancy_task(), at + "voxel",
                "{} m are {:.4g} voxels to a cell of grid.bev_cell, {} m; expected 1, 2, 4 or 8", task.voxel(), voxels,
                proto.grid().bev_cell());
  judge.within(at + "z_min", task.z_min(), -100.0, 100.0);
  judge.count(at + "levels", task.levels(), 1, 64);
  judge.names(at + "classes", task.classes());
  judge.require(task.classes_size() <= kMostVoxelClasses, at + "classes", "{} names, expected at most {}",
                task.classes_size(), kMostVoxelClasses);
  const std::vector<std::string> known(task.classes().begin(), task.classes().end());
  for (int i = 0; i < task.drivable_classes_size(); ++i) {
    const std::string& name = task.drivable_classes(i);
    judge.require(std::ranges::find(known, name) != known.end(), fmt::format("{}drivable_classes[{}]", at, i),
                  "\"{}\" is none of tasks.occupancy.classes{}", name, did_you_mean(name, known));
  }
  judge.count(at + "channels", task.channels(), 1, 4096);
  judge.not_negative(at + "cross_entropy", task.cross_entropy());
  judge.not_negative(at + "lovasz", task.lovasz());
}

}  // namespace bevgrad
