// The ground around the vehicle as a panel of a picture: forward up, left on the left, metres on the axes.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "data/label_schema.h"
#include "data/sample.h"
#include "drawing/canvas.h"
#include "evaluation/raster.h"

namespace bevgrad {

class BevView {
 public:
  /// `area`: where the ground itself is drawn; its axes and title lie outside it (see margins).
  BevView(Canvas& canvas, const Rect& area, const LabelGrid& grid);

  /// Room that axes and title take around the area.
  static constexpr double kLeft = 30, kTop = 24, kBottom = 20;
  /// Size of an area that shows the grid at `scale` pixels a metre.
  static Rect area_at(double x, double y, const LabelGrid& grid, double scale);

  /// Pixel of a point on the ground.
  Vec2 at(Vec2 ground) const;
  double scale() const { return scale_; }
  const Rect& area() const { return area_; }

  /// Paints every cell with `color_of(row, column)` of a raster that spans the grid; fully transparent ones leave the
  /// ground.
  void cells(int64_t rows, int64_t columns, const std::function<Color(int64_t row, int64_t column)>& color_of);
  void polyline(std::span<const Vec2> points, Color color, double width, bool closed = false);
  /// A rectangle (w along its angle); `nose` marks the end that it points to.
  void rectangle(const Instance& box, Color color, double width, bool nose);
  void point(Vec2 ground, Color color, double radius);
  /// From a place to the right.
  void text(Vec2 ground, const std::string& text, double size, Color color);
  /// The ego vehicle, seen from above, its rear axle at the origin.
  void ego();
  /// Frame, ticks every 10 m with their metres, and a title.
  void axes(const std::string& title, double text_size = 10);

 private:
  Canvas& canvas_;
  Rect area_;
  LabelGrid grid_;
  double scale_;
};

}  // namespace bevgrad
