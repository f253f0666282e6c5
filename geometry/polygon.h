// Closed polygons on the ground plane. The last corner joins the first without being repeated.
#pragma once
#include <span>
#include <vector>

#include "geometry/vector.h"

namespace bevgrad {

/// Positive where the corners run counter-clockwise.
double signed_area(std::span<const Vec2> polygon);

/// Even-odd rule; a point exactly on an edge may fall on either side.
bool contains(std::span<const Vec2> polygon, Vec2 point);

/// What of a convex polygon lies left of (or on) the line from a to b: one step of Sutherland and Hodgman's clipping.
std::vector<Vec2> clip_left_of(std::span<const Vec2> polygon, Vec2 a, Vec2 b);

}  // namespace bevgrad
