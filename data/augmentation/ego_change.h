// Another ego frame for a sample, and another world with it: everything that the sample says of places moves along.
#pragma once
#include "geometry/pose.h"

namespace bevgrad {

struct LabelSchema;
struct Sample;

/// Places of the ego frame are mirrored left-right and scaled about the ego's origin, then turned and shifted on the
/// ground. Mirror and scale make another world, in which the vehicle's way is mirrored and scaled too: frames of a
/// sequence fit together only where they have the same. Turn and shift make another ego frame in the same world, and
/// may differ from frame to frame.
struct EgoChange {
  bool mirror = false;
  double scale = 1;
  double yaw = 0;  ///< radians, to the left
  Vec2 shift;      ///< metres

  bool operator==(const EgoChange&) const = default;
  bool is_identity() const { return *this == EgoChange(); }

  Vec2 apply(Vec2 point) const;
  Vec3 apply(Vec3 point) const;
  /// Takes a place of the changed frame back.
  GroundWarp inverse() const;
  /// The pose (ego -> world) of the changed frame in the changed world.
  Pose apply_to_pose(const Pose& ego2world) const;
  /// sensor2ego of the changed frame. Where the world is mirrored it belongs to the camera whose image is mirrored.
  Pose apply_to_sensor(const Pose& sensor2ego) const;
};

/// Changes points, labels (voxels too), visibility and poses, but not the cameras (camera_change.h). Cells that come
/// from beyond the raster are ignored, and seen by nobody. In a mirrored world a class, or a value of an
/// attribute, is the one in whose name left and right are exchanged, where there is one.
void change_ego(Sample& sample, const EgoChange& change, const LabelSchema& labels);

}  // namespace bevgrad
