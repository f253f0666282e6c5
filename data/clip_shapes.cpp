#include "data/clip_shapes.h"

#include <algorithm>
#include <cmath>

#include "geometry/polygon.h"
#include "geometry/polyline.h"

namespace bevgrad {

namespace {

/// The part of a segment inside the bounds as parameters (Liang and Barsky); false where there is none.
bool clip_segment(Vec2 a, Vec2 b, const GroundBounds& bounds, double& t0, double& t1) {
  t0 = 0;
  t1 = 1;
  const double start[2] = {a.x, a.y}, delta[2] = {b.x - a.x, b.y - a.y};
  const double low[2] = {bounds.low.x, bounds.low.y}, high[2] = {bounds.high.x, bounds.high.y};
  for (int i = 0; i < 2; ++i) {
    if (delta[i] == 0) {
      if (start[i] < low[i] || start[i] > high[i]) return false;
      continue;
    }
    double enter = (low[i] - start[i]) / delta[i], leave = (high[i] - start[i]) / delta[i];
    if (enter > leave) std::swap(enter, leave);
    t0 = std::max(t0, enter);
    t1 = std::min(t1, leave);
  }
  return t0 < t1;
}

void clip_polyline(const LabelShape& shape, const GroundBounds& bounds, std::vector<LabelShape>& out) {
  LabelShape current = {shape.class_id, false, shape.width, {}, shape.attributes};
  const auto finish = [&] {
    if (length(current.points) > 0.2) out.push_back(current);
    current.points.clear();
  };
  for (size_t i = 0; i + 1 < shape.points.size(); ++i) {
    const Vec2 a = shape.points[i], b = shape.points[i + 1];
    double t0, t1;
    if (!clip_segment(a, b, bounds, t0, t1)) {
      finish();
      continue;
    }
    if (t0 > 0 || current.points.empty()) {
      finish();
      current.points.push_back(a + (b - a) * t0);
    }
    current.points.push_back(a + (b - a) * t1);
    if (t1 < 1) finish();
  }
  finish();
}

/// Cuts by one edge of the bounds after the other; a concave polygon may keep edges that run along the bounds.
void clip_polygon(const LabelShape& shape, const GroundBounds& b, std::vector<LabelShape>& out) {
  const Vec2 corner[4] = {b.low, {b.high.x, b.low.y}, b.high, {b.low.x, b.high.y}};
  LabelShape result = shape;
  for (int i = 0; i < 4 && !result.points.empty(); ++i)
    result.points = clip_left_of(result.points, corner[i], corner[(i + 1) % 4]);
  if (result.points.size() >= 3 && std::abs(signed_area(result.points)) > 1e-4) out.push_back(std::move(result));
}

}  // namespace

GroundBounds bounds_of(const LabelGrid& grid) {
  return {{grid.x_min, grid.y_min}, {grid.x_max, grid.y_max}};
}

void clip_shape(const LabelShape& shape, const GroundBounds& bounds, std::vector<LabelShape>& out) {
  if (shape.closed)
    clip_polygon(shape, bounds, out);
  else
    clip_polyline(shape, bounds, out);
}

}  // namespace bevgrad
