// Open chains of points on the ground plane.
#pragma once
#include <span>
#include <vector>

#include "geometry/vector.h"

namespace bevgrad {

double length(std::span<const Vec2> polyline);

/// `count` points at equal arc length, the ends included. Throws std::invalid_argument for an empty polyline or a count
/// below 2; a polyline without length gives its point `count` times.
std::vector<Vec2> resample(std::span<const Vec2> polyline, int count);

/// The piece between two arc lengths, with the corners that lie in it; both are clamped to the polyline.
std::vector<Vec2> piece(std::span<const Vec2> polyline, double from, double to);

/// The point at an arc length, which is clamped to the polyline, and the unit direction of travel there.
struct PolylinePoint {
  Vec2 position;
  Vec2 tangent;
};
PolylinePoint at_length(std::span<const Vec2> polyline, double arc_length);

double distance_to_segment(Vec2 point, Vec2 a, Vec2 b);

/// Infinity for an empty polyline.
double distance_to_polyline(Vec2 point, std::span<const Vec2> polyline);

/// The polyline shifted to its left by `distance` (to its right where negative), corner by corner along the bisector;
/// meant for smooth lines whose radius is larger than the shift.
std::vector<Vec2> offset(std::span<const Vec2> polyline, double distance);

}  // namespace bevgrad
