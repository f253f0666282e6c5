// geometry/ holds pure float64 geometry: poses, camera models, rotated boxes, polylines and polygons. It knows no
// tensor and no sensor data; errors are std::invalid_argument.
#pragma once
#include <cmath>

namespace bevgrad {

/// A point or direction on the ground plane, in metres.
struct Vec2 {
  double x = 0, y = 0;

  Vec2 operator+(Vec2 o) const { return {x + o.x, y + o.y}; }
  Vec2 operator-(Vec2 o) const { return {x - o.x, y - o.y}; }
  Vec2 operator*(double s) const { return {x * s, y * s}; }
  bool operator==(const Vec2&) const = default;
};

inline double dot(Vec2 a, Vec2 b) {
  return a.x * b.x + a.y * b.y;
}
/// z of the cross product: positive where b lies to the left of a.
inline double cross(Vec2 a, Vec2 b) {
  return a.x * b.y - a.y * b.x;
}
inline double norm(Vec2 a) {
  return std::sqrt(dot(a, a));
}
/// A quarter turn to the left.
inline Vec2 left_of(Vec2 a) {
  return {-a.y, a.x};
}
inline Vec2 direction(double angle) {
  return {std::cos(angle), std::sin(angle)};
}

/// A point or direction in space, in metres.
struct Vec3 {
  double x = 0, y = 0, z = 0;

  Vec3 operator+(Vec3 o) const { return {x + o.x, y + o.y, z + o.z}; }
  Vec3 operator-(Vec3 o) const { return {x - o.x, y - o.y, z - o.z}; }
  Vec3 operator*(double s) const { return {x * s, y * s, z * s}; }
  bool operator==(const Vec3&) const = default;
};

inline double dot(Vec3 a, Vec3 b) {
  return a.x * b.x + a.y * b.y + a.z * b.z;
}
inline double norm(Vec3 a) {
  return std::sqrt(dot(a, a));
}

}  // namespace bevgrad
