#include "geometry/pose.h"

#include <cmath>
#include <numbers>

namespace bevgrad {

Pose Pose::from_yaw(double x, double y, double z, double yaw) {
  const double c = std::cos(yaw), s = std::sin(yaw);
  return Pose{{c, -s, 0, x, s, c, 0, y, 0, 0, 1, z, 0, 0, 0, 1}};
}

Pose Pose::from_angles(Vec3 t, double yaw, double pitch, double roll) {
  const double cy = std::cos(yaw), sy = std::sin(yaw);
  const double cp = std::cos(pitch), sp = std::sin(pitch);
  const double cr = std::cos(roll), sr = std::sin(roll);
  return Pose{{cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr, t.x,  //
               sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr, t.y,  //
               -sp, cp * sr, cp * cr, t.z,                                    //
               0, 0, 0, 1}};
}

double Pose::yaw() const {
  return std::atan2(m[4], m[0]);
}

Vec3 Pose::rotate(Vec3 d) const {
  return {m[0] * d.x + m[1] * d.y + m[2] * d.z, m[4] * d.x + m[5] * d.y + m[6] * d.z,
          m[8] * d.x + m[9] * d.y + m[10] * d.z};
}

Vec3 Pose::apply(Vec3 p) const {
  return rotate(p) + translation();
}

Pose Pose::inverse() const {
  Pose result{{m[0], m[4], m[8], 0, m[1], m[5], m[9], 0, m[2], m[6], m[10], 0, 0, 0, 0, 1}};
  const Vec3 t = result.rotate(translation());
  result.m[3] = -t.x;
  result.m[7] = -t.y;
  result.m[11] = -t.z;
  return result;
}

Pose Pose::operator*(const Pose& other) const {
  Pose result;
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 4; ++j) {
      double sum = 0;
      for (int k = 0; k < 4; ++k) sum += at(i, k) * other.at(k, j);
      result.at(i, j) = sum;
    }
  return result;
}

bool Pose::is_rigid(double tolerance) const {
  for (double value : m)
    if (!std::isfinite(value)) return false;
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j) {
      double product = 0;
      for (int k = 0; k < 3; ++k) product += at(i, k) * at(j, k);
      if (std::abs(product - (i == j ? 1.0 : 0.0)) > tolerance) return false;
    }
  const double determinant =
      m[0] * (m[5] * m[10] - m[6] * m[9]) - m[1] * (m[4] * m[10] - m[6] * m[8]) + m[2] * (m[4] * m[9] - m[5] * m[8]);
  return determinant > 0 && std::abs(m[12]) <= tolerance && std::abs(m[13]) <= tolerance &&
         std::abs(m[14]) <= tolerance && std::abs(m[15] - 1) <= tolerance;
}

GroundWarp ground_warp(const Pose& current, const Pose& history) {
  const Pose relative = history.inverse() * current;
  const double yaw = relative.yaw();
  const double c = std::cos(yaw), s = std::sin(yaw);
  return GroundWarp{{c, -s, relative.m[3], s, c, relative.m[7]}};
}

double wrap_angle(double angle) {
  constexpr double pi = std::numbers::pi;
  const double wrapped = std::remainder(angle, 2 * pi);  // in [-pi, pi]
  return wrapped <= -pi ? pi : wrapped;
}

}  // namespace bevgrad
