// Label shapes cut at the edges of a grid.
#pragma once
#include <vector>

#include "data/label_schema.h"
#include "data/sample.h"

namespace bevgrad {

struct GroundBounds {
  Vec2 low, high;

  bool holds(Vec2 p) const { return p.x >= low.x && p.x <= high.x && p.y >= low.y && p.y <= high.y; }
};

GroundBounds bounds_of(const LabelGrid& grid);

/// Appends what of a shape lies within the bounds: pieces of a polyline of more than 0.2 m, or a polygon (a concave one
/// may keep edges that run along the bounds).
void clip_shape(const LabelShape& shape, const GroundBounds& bounds, std::vector<LabelShape>& out);

}  // namespace bevgrad
