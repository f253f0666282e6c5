#include "internal/raster.h"

#include <algorithm>
#include <cmath>

#include "geometry/polyline.h"

namespace bevgrad {

namespace {

/// Cells [first, last) whose centres may lie within low..high along one dimension of `count` cells.
struct CellRange {
  int64_t first = 0, last = 0;
};

CellRange cells_between(double low, double high, double origin, double cell, int64_t count) {
  double first = std::ceil((low - origin) / cell - 0.5 - 1e-9),
         last = std::floor((high - origin) / cell - 0.5 + 1e-9) + 1;
  double limit = static_cast<double>(count);
  return {static_cast<int64_t>(std::clamp(first, 0.0, limit)), static_cast<int64_t>(std::clamp(last, 0.0, limit))};
}

double centre(int64_t index, double origin, double cell) {
  return origin + (static_cast<double>(index) + 0.5) * cell;
}

void draw_segment(Vec2 a, Vec2 b, double radius, const LabelGrid& grid, uint8_t* layer, uint8_t value) {
  CellRange rows =
      cells_between(std::min(a.y, b.y) - radius, std::max(a.y, b.y) + radius, grid.y_min, grid.cell, grid.rows());
  CellRange columns =
      cells_between(std::min(a.x, b.x) - radius, std::max(a.x, b.x) + radius, grid.x_min, grid.cell, grid.columns());
  for (int64_t r = rows.first; r < rows.last; ++r)
    for (int64_t c = columns.first; c < columns.last; ++c) {
      Vec2 p{centre(c, grid.x_min, grid.cell), centre(r, grid.y_min, grid.cell)};
      if (distance_to_segment(p, a, b) <= radius) layer[r * grid.columns() + c] = value;
    }
}

}  // namespace

void draw_polyline(std::span<const Vec2> points, double width, const LabelGrid& grid, uint8_t* layer, uint8_t value) {
  if (points.size() == 1) draw_segment(points[0], points[0], width / 2, grid, layer, value);
  for (size_t i = 1; i < points.size(); ++i) draw_segment(points[i - 1], points[i], width / 2, grid, layer, value);
}

void fill_polygon(std::span<const Vec2> points, const LabelGrid& grid, uint8_t* layer, uint8_t value) {
  if (points.size() < 3) return;
  auto [low, high] = std::minmax_element(points.begin(), points.end(), [](Vec2 a, Vec2 b) { return a.y < b.y; });
  CellRange rows = cells_between(low->y, high->y, grid.y_min, grid.cell, grid.rows());
  std::vector<double> crossings;
  for (int64_t r = rows.first; r < rows.last; ++r) {
    double y = centre(r, grid.y_min, grid.cell);
    crossings.clear();
    for (size_t i = 0; i < points.size(); ++i) {
      Vec2 a = points[i], b = points[(i + 1) % points.size()];
      if ((a.y <= y) != (b.y <= y)) crossings.push_back(a.x + (y - a.y) / (b.y - a.y) * (b.x - a.x));
    }
    std::sort(crossings.begin(), crossings.end());
    for (size_t i = 0; i + 1 < crossings.size(); i += 2) {
      CellRange columns = cells_between(crossings[i], crossings[i + 1], grid.x_min, grid.cell, grid.columns());
      for (int64_t c = columns.first; c < columns.last; ++c) layer[r * grid.columns() + c] = value;
    }
  }
}

Tensor draw_shapes(const std::vector<LabelShape>& shapes, int64_t layers, const LabelGrid& grid, double line_width) {
  Tensor raster = zeros({layers, grid.rows(), grid.columns()}, {.dtype = DType::UInt8});
  for (const LabelShape& shape : shapes) {
    check(shape.class_id >= 0 && shape.class_id < layers, "draw_shapes: class {} of {}", shape.class_id, layers);
    uint8_t* layer = raster.data<uint8_t>() + shape.class_id * grid.rows() * grid.columns();
    if (shape.closed)
      fill_polygon(shape.points, grid, layer);
    else
      draw_polyline(shape.points, line_width, grid, layer);
  }
  return raster;
}

}  // namespace bevgrad
