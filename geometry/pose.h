// Rigid transforms in space, and the warp of the ground plane between two of them.
#pragma once
#include <array>

#include "geometry/vector.h"

namespace bevgrad {

/// A rigid transform (SE(3)) in float64: point_in_parent = m * point_in_child. `a2b` is named after its direction:
/// it takes points of frame a to frame b.
struct Pose {
  /// Row-major 4x4.
  std::array<double, 16> m = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};

  /// At (x, y, z), turned about z by `yaw` (radians, counter-clockwise seen from above).
  static Pose from_yaw(double x, double y, double z, double yaw);
  /// Rotation Rz(yaw) * Ry(pitch) * Rx(roll). With x forward and z up, a positive pitch points the nose down.
  static Pose from_angles(Vec3 translation, double yaw, double pitch, double roll);

  double at(int row, int column) const { return m[static_cast<size_t>(row * 4 + column)]; }
  double& at(int row, int column) { return m[static_cast<size_t>(row * 4 + column)]; }
  Vec3 translation() const { return {m[3], m[7], m[11]}; }
  /// Heading of the x axis on the ground plane: atan2(m10, m00).
  double yaw() const;

  Vec3 apply(Vec3 point) const;
  /// The rotation alone.
  Vec3 rotate(Vec3 direction) const;
  /// Exact for a rigid transform: the transposed rotation and the translation that goes with it.
  Pose inverse() const;
  /// (*this * other).apply(p) == apply(other.apply(p)).
  Pose operator*(const Pose& other) const;
  bool operator==(const Pose&) const = default;

  /// True where every entry is finite, the rotation is orthonormal and right-handed within `tolerance` and the last row
  /// is 0 0 0 1. What comes from a file is checked with it.
  bool is_rigid(double tolerance = 1e-4) const;
};

/// A row-major 2x3 affine map of the ground plane, in metres.
struct GroundWarp {
  std::array<double, 6> m = {1, 0, 0, 0, 1, 0};

  Vec2 apply(Vec2 p) const { return {m[0] * p.x + m[1] * p.y + m[2], m[3] * p.x + m[4] * p.y + m[5]}; }
};

/// Maps a point (x, y, 1) of the current ego frame to the history frame's ego frame: inverse(history) * current,
/// reduced to the ground plane, with the 2x2 block made a pure rotation by its yaw. Both poses are ego -> world.
GroundWarp ground_warp(const Pose& current, const Pose& history);

/// Brings an angle into (-pi, pi].
double wrap_angle(double angle);

}  // namespace bevgrad
