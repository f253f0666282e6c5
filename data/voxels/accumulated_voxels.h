// Occupancy labels of real drives: LiDAR points gathered over many sweeps, what stands still in the map's frame and
// what moves in its box's, as Occ3D makes them (Tian et al., NeurIPS 2023).
#pragma once
#include <cstdint>
#include <deque>
#include <map>
#include <vector>

#include "data/label_schema.h"
#include "data/sample.h"

namespace bevgrad {

/// A sweep with what is known of its moment, in its ego frame.
struct LabelledSweep {
  Pose ego2map;
  Tensor points;                            ///< float32 [P,4]
  Vec3 lidar;                               ///< where the rays come from
  std::vector<Box3d> boxes;                 ///< of everything that may move
  std::vector<Camera> cameras;              ///< of the sweep that is labelled
  std::vector<std::vector<Vec2>> drivable;  ///< polygons, of the sweep that is labelled
};

/// What voxels are called: the boxes' classes by their own numbers, then these.
struct VoxelNumbers {
  uint8_t road = 0, ground = 0, other = 0, free = 0;
};

struct LabelledVoxels {
  Tensor labels;  ///< as Labels::voxels
  Tensor seen;    ///< as Labels::voxels_seen
};

/// Key sweeps around the present one, and the labels that follow from them.
///
/// - Points within a box are the object's, and follow its track; the others stand still. Those on the own vehicle
///   (5.2 x 2.2 x 2.2 m from 1.2 m behind the rear axle) are left out. A sweep tells what stands still on its own grid
///   alone, where its boxes are.
/// - The ground is the lowest that points reach, column by column from the vehicle outward, at most a kerb from one to
///   the next; what is within 0.2 m of it is ground.
/// - A voxel with points is of the object, of the ground if half of them are, else "other". One above the ground that
///   rays pass and none end in is free, and so is one above the ground that many more sweeps see through than have a
///   point there. Others, and those in a box that no ray of this sweep passes, are not known.
/// - The LiDAR sees what this sweep's rays pass or end in; a camera what is in its picture with nothing before it.
class AccumulatedVoxels {
 public:
  AccumulatedVoxels(const VoxelGrid& grid, const VoxelNumbers& numbers) : grid_(grid), numbers_(numbers) {}

  void add_key(const LabelledSweep& sweep) { keys_.push_back(key_of(sweep)); }
  void drop_first_key() { keys_.pop_front(); }

  LabelledVoxels label(const LabelledSweep& now) const;

 private:
  struct Point {
    float x, y, z;
  };
  struct Key {
    Pose ego2map;
    Vec3 lidar;
    std::vector<Point> standing;                    // what rays end in
    std::vector<Point> beyond;                      // ends of rays that say nothing but that their way is free
    std::map<int64_t, std::vector<Point>> objects;  // by track, in the box's frame
  };
  /// What a voxel has met.
  struct Counts {
    std::vector<uint16_t> hits, passes;     // sweeps
    std::vector<uint32_t> points, grounds;  // of them on the ground
    std::vector<uint8_t> now_passes, now_hits;
  };

  Key key_of(const LabelledSweep& sweep) const;
  std::vector<const Key*> with(const Key& now) const;
  std::vector<float> ground_heights(const std::vector<const Key*>& keys, const Pose& map2ego) const;
  Counts count(const std::vector<const Key*>& keys, const Pose& map2ego, const std::vector<float>& heights) const;
  /// Labels of the objects' voxels; 255 elsewhere.
  std::vector<uint8_t> object_labels(const LabelledSweep& now, const std::vector<const Key*>& keys,
                                     const std::vector<float>& heights) const;
  std::vector<uint8_t> in_boxes(const std::vector<Box3d>& boxes) const;
  Tensor seen(const LabelledSweep& now, const Tensor& labels) const;

  /// The voxel that holds a point; -1 outside the grid.
  int64_t voxel_at(double x, double y, double z) const;
  int64_t column_at(double x, double y) const;

  VoxelGrid grid_;
  VoxelNumbers numbers_;
  std::deque<Key> keys_;
};

}  // namespace bevgrad
