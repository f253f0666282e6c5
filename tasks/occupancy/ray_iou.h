// Where rays end in voxels: a measure that does not pay for thick walls.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "evaluation/ratio.h"
#include "geometry/vector.h"
#include "tasks/occupancy/options.h"

namespace bevgrad {

/// RayIoU (Liu et al., "Fully Sparse 3D Occupancy Prediction", ECCV 2024) from one place, kRayOrigin: a LiDAR's rays
/// (one a degree of azimuth, 45 degrees downward to 12 upward) end in the first voxel that is not free; an end is right
/// where the label's ray ends in the same class and closer by than 1, 2 or 4 m. Rays whose label ends nowhere, or in a
/// voxel that is not known, are left out.
class RayIou {
 public:
  static constexpr std::array<double, 3> kDistances = {1, 2, 4};
  static constexpr Vec3 kRayOrigin = {1.2, 0, 1.8};

  explicit RayIou(const OccupancySpace& space);

  /// uint8 [levels,rows,columns] each.
  void add(const uint8_t* labels, const uint8_t* predicted);
  /// Right ends over all ends of a class, labelled or predicted.
  Ratio of(int64_t class_id, size_t distance) const;
  /// Over the classes that have any.
  Ratio mean(size_t distance) const;
  /// Every number that is counted, in a fixed order.
  std::vector<int64_t> counts() const;
  void add_counts(const std::vector<int64_t>& counts);

 private:
  struct End {
    int64_t class_id;  // free: nowhere; -1: not known
    double distance;
  };
  static constexpr size_t kLabelled = 0, kPredicted = 1, kRight = 2, kCounts = kRight + kDistances.size();
  int64_t& count(int64_t class_id, size_t which) { return counts_[static_cast<size_t>(class_id) * kCounts + which]; }
  int64_t count(int64_t class_id, size_t which) const {
    return counts_[static_cast<size_t>(class_id) * kCounts + which];
  }
  End end_of(const Vec3& direction, const uint8_t* voxels) const;

  VoxelGrid grid_;
  int64_t free_;
  std::vector<Vec3> directions_;
  std::vector<int64_t> counts_;  // [class][kCounts]
};

}  // namespace bevgrad
