// Drawing shapes into label rasters. A cell belongs to a shape when the cell's centre does.
#pragma once
#include <span>
#include <vector>

#include "data/label_schema.h"
#include "data/sample.h"

namespace bevgrad {

/// Width in metres at which a line is drawn into a label raster where nothing says otherwise: three cells of 0.2 m.
inline constexpr double kLabelLineWidth = 0.6;

/// Sets the cells of one layer ([rows, columns], row-major) whose centres lie within width / 2 of the polyline.
void draw_polyline(std::span<const Vec2> points, double width, const LabelGrid& grid, uint8_t* layer,
                   uint8_t value = 1);

/// Sets the cells whose centres lie inside the polygon (even-odd rule).
void fill_polygon(std::span<const Vec2> points, const LabelGrid& grid, uint8_t* layer, uint8_t value = 1);

/// A raster uint8 [layers,rows,columns] of zeros with every shape drawn into the layer of its class: polygons filled,
/// polylines `line_width` wide whatever their own width is. Throws where a class is not below `layers`.
Tensor draw_shapes(const std::vector<LabelShape>& shapes, int64_t layers, const LabelGrid& grid,
                   double line_width = kLabelLineWidth);

}  // namespace bevgrad
