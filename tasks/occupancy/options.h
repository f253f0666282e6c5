// What the occupancy task takes from a config: tasks.occupancy, and drawing.freespace_threshold.
#pragma once
#include <string>
#include <vector>

#include "configs/judge.h"
#include "data/label_schema.h"

namespace bevgrad {

struct OccupancyHeadOptions {
  int64_t channels = 64;
  int64_t doublings = 1;  ///< of the BEV feature's size, to that of a level of voxels
  int64_t levels = 16;
  int64_t classes = 14;  ///< without free
};

/// What the logits are of.
struct OccupancySpace {
  VoxelGrid grid;
  std::vector<std::string> classes;  ///< without free, which follows them
  std::vector<bool> drivable;        ///< a class
  /// Bits of Labels::voxels_seen of which one must be set for a voxel to count; 0: all count.
  uint8_t seen = 0;

  int64_t free() const { return static_cast<int64_t>(classes.size()); }
  int64_t scores() const { return free() + 1; }  ///< of a voxel
  bool counts(uint8_t seen_by) const { return !seen || (seen_by & seen); }
};

OccupancyHeadOptions occupancy_head_options(const config::Config& proto);
VoxelGrid voxel_grid(const config::Config& proto);
OccupancySpace occupancy_space(const config::Config& proto);

/// Of TaskKind.
void judge_occupancy(const configs::Judge& judge, const config::Config& proto);

}  // namespace bevgrad
