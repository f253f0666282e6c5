// The voxels that a line of sight passes.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>

#include "data/label_schema.h"
#include "geometry/vector.h"

namespace bevgrad {

/// Calls `visit(index)` for every voxel of the grid between `from` and `to`, that of `to` included, in this order,
/// as long as it returns true (Amanatides and Woo, "A Fast Voxel Traversal Algorithm", 1987).
template <class Visit>
void walk_voxels(const VoxelGrid& grid, Vec3 from, Vec3 to, const Visit& visit) {
  const double start[3] = {(from.x - grid.x_min) / grid.cell, (from.y - grid.y_min) / grid.cell,
                           (from.z - grid.z_min) / grid.cell};
  const double way[3] = {(to.x - from.x) / grid.cell, (to.y - from.y) / grid.cell, (to.z - from.z) / grid.cell};
  const int64_t sizes[3] = {grid.columns, grid.rows, grid.levels};
  // The share of the way that lies in the grid.
  double enter = 0, leave = 1;
  for (int a = 0; a < 3; ++a) {
    const double size = static_cast<double>(sizes[a]);
    if (way[a] == 0) {
      if (!(start[a] >= 0 && start[a] < size)) return;
      continue;
    }
    const double s = -start[a] / way[a], t = (size - start[a]) / way[a];
    enter = std::max(enter, std::min(s, t));
    leave = std::min(leave, std::max(s, t));
  }
  if (!(enter <= leave)) return;
  int64_t at[3], step[3];
  double next[3], stride[3];
  for (int a = 0; a < 3; ++a) {
    at[a] = std::clamp<int64_t>(static_cast<int64_t>(std::floor(start[a] + enter * way[a])), 0, sizes[a] - 1);
    step[a] = way[a] > 0 ? 1 : -1;
    stride[a] = way[a] == 0 ? std::numeric_limits<double>::infinity() : 1 / std::abs(way[a]);
    next[a] = way[a] == 0 ? stride[a] : (static_cast<double>(at[a] + (way[a] > 0 ? 1 : 0)) - start[a]) / way[a];
  }
  for (;;) {
    if (!visit(grid.index(at[2], at[1], at[0]))) return;
    const int a = next[0] <= next[1] ? (next[0] <= next[2] ? 0 : 2) : (next[1] <= next[2] ? 1 : 2);
    if (!(next[a] < leave)) return;
    at[a] += step[a];
    if (at[a] < 0 || at[a] >= sizes[a]) return;
    next[a] += stride[a];
  }
}

/// Whether nothing that fills a voxel (its label is below `free`) stands between a place and another voxel's centre.
inline bool is_in_sight(const VoxelGrid& grid, const uint8_t* labels, uint8_t free, const Vec3& eye, const Vec3& centre,
                        int64_t voxel) {
  bool is_reached = false;
  walk_voxels(grid, eye, centre, [&](int64_t passed) {
    is_reached = passed == voxel;
    return !is_reached && labels[passed] >= free;  // free, or not known
  });
  return is_reached;
}

}  // namespace bevgrad
