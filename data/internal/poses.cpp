#include "internal/poses.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"

namespace bevgrad {

namespace {

/// Of the z axis against upright, as a cosine: 60 degrees.
constexpr double kMostTilt = 0.5;

}  // namespace

Pose pose_from_quaternion(double w, double x, double y, double z, Vec3 translation) {
  const double length = std::sqrt(w * w + x * x + y * y + z * z);
  w /= length, x /= length, y /= length, z /= length;
  Pose pose;
  pose.m = {1 - 2 * (y * y + z * z),
            2 * (x * y - w * z),
            2 * (x * z + w * y),
            translation.x,
            2 * (x * y + w * z),
            1 - 2 * (x * x + z * z),
            2 * (y * z - w * x),
            translation.y,
            2 * (x * z - w * y),
            2 * (y * z + w * x),
            1 - 2 * (x * x + y * y),
            translation.z,
            0,
            0,
            0,
            1};
  return pose;
}

Pose interpolate(const Pose& a, const Pose& b, double share) {
  // The turn from a to b as an axis and an angle (Rodrigues).
  const Pose turn = a.inverse() * b;
  const Vec3 axis{turn.at(2, 1) - turn.at(1, 2), turn.at(0, 2) - turn.at(2, 0), turn.at(1, 0) - turn.at(0, 1)};
  const double sine = norm(axis) / 2, cosine = (turn.at(0, 0) + turn.at(1, 1) + turn.at(2, 2) - 1) / 2;
  const double half = std::atan2(sine, cosine) * share / 2;
  const double scale = sine > 1e-12 ? std::sin(half) / (2 * sine) : 0;
  Pose part = pose_from_quaternion(std::cos(half), axis.x * scale, axis.y * scale, axis.z * scale, {});
  Pose pose = a * part;
  const Vec3 from = a.translation(), to = b.translation();
  pose.m[3] = from.x + (to.x - from.x) * share;
  pose.m[7] = from.y + (to.y - from.y) * share;
  pose.m[11] = from.z + (to.z - from.z) * share;
  return pose;
}

void check_upright(const Pose& ego2global, const std::string& where) {
  check(
      ego2global.at(2, 2) >= kMostTilt,
      "{}: the vehicle's z axis points {:.0f} degrees off upward: expected a frame with z up, and quaternions as w, x, "
      "y, z",
      where, std::acos(std::clamp(ego2global.at(2, 2), -1.0, 1.0)) * 180 / std::numbers::pi);
}

}  // namespace bevgrad
