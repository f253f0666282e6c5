#include "drawing/bev_view.h"

#include <fmt/format.h>

#include <cmath>

#include "drawing/palette.h"
#include "geometry/rotated_box.h"

namespace bevgrad {

BevView::BevView(Canvas& canvas, const Rect& area, const LabelGrid& grid)
    : canvas_(canvas), area_(area), grid_(grid), scale_(area.w / (grid.y_max - grid.y_min)) {
  canvas_.fill(area_, kGround);
}

Rect BevView::area_at(double x, double y, const LabelGrid& grid, double scale) {
  return {x, y, (grid.y_max - grid.y_min) * scale, (grid.x_max - grid.x_min) * scale};
}

Vec2 BevView::at(Vec2 ground) const {
  return {area_.x + (grid_.y_max - ground.y) * scale_, area_.y + (grid_.x_max - ground.x) * scale_};
}

void BevView::cells(int64_t rows, int64_t columns, const std::function<Color(int64_t, int64_t)>& color_of) {
  // In the picture, columns run from left (y_max) to right and rows from far (x_max) to near.
  Pixels pixels{static_cast<int>(rows), static_cast<int>(columns), {}};
  pixels.rgb.reserve(static_cast<size_t>(rows * columns * 3));
  const Color ground = kGround;
  for (int64_t v = 0; v < columns; ++v)
    for (int64_t u = 0; u < rows; ++u) {
      const Color c = color_of(rows - 1 - u, columns - 1 - v);
      const auto byte = [&](double over, double under) {
        return static_cast<uint8_t>(std::lround(255 * (over * c.a + under * (1 - c.a))));
      };
      pixels.rgb.push_back(byte(c.r, ground.r));
      pixels.rgb.push_back(byte(c.g, ground.g));
      pixels.rgb.push_back(byte(c.b, ground.b));
    }
  const bool shrinks = area_.w < static_cast<double>(rows) - 0.5;
  canvas_.image(pixels, area_, shrinks);
}

void BevView::polyline(std::span<const Vec2> points, Color color, double width, bool closed) {
  Canvas::Clip clip(canvas_, area_);
  std::vector<Vec2> pixels;
  for (const Vec2 p : points) pixels.push_back(at(p));
  canvas_.line(pixels, color, width, closed);
}

void BevView::rectangle(const Instance& box, Color color, double width, bool nose) {
  Canvas::Clip clip(canvas_, area_);
  std::vector<Vec2> pixels;
  for (const Vec2 p : corners({box.x, box.y, box.w, box.h, box.angle})) pixels.push_back(at(p));
  canvas_.line(pixels, color, width, true);
  if (!nose) return;
  const Vec2 centre{box.x, box.y};
  canvas_.line(std::vector{at(centre), at(centre + direction(box.angle) * (box.w / 2))}, color, width);
}

void BevView::point(Vec2 ground, Color color, double radius) {
  const Vec2 p = at(ground);
  if (p.x < area_.x || p.y < area_.y || p.x >= area_.x + area_.w || p.y >= area_.y + area_.h) return;
  if (radius <= 1)
    canvas_.fill({p.x - radius, p.y - radius, 2 * radius, 2 * radius}, color);
  else
    canvas_.circle(p, radius, color);
}

void BevView::text(Vec2 ground, const std::string& text, double size, Color color) {
  Canvas::Clip clip(canvas_, area_);
  const Vec2 p = at(ground);
  canvas_.text(p.x + 2, p.y, text, size, color);
}

void BevView::ego() {
  Canvas::Clip clip(canvas_, area_);
  // A car of ordinary size: 1 m behind its rear axle, 3.7 m before it, 1.9 m wide.
  const std::vector<Vec2> body = {at({3.0, 0.95}),  at({-1.0, 0.95}), at({-1.0, -0.95}),
                                  at({3.0, -0.95}), at({3.7, -0.5}),  at({3.7, 0.5})};
  canvas_.polygon(body, kEgo.with_alpha(0.25));
  canvas_.line(body, kEgo, 1.2, true);
  canvas_.line(std::vector{at({1.2, 0.6}), at({2.4, 0}), at({1.2, -0.6})}, kEgo, 1.2);
}

void BevView::axes(const std::string& title, double text_size) {
  for (double x = std::ceil(grid_.x_min / 10) * 10; x <= grid_.x_max + 1e-9; x += 10) {
    const double v = at({x, 0}).y;
    canvas_.line(std::vector<Vec2>{{area_.x - 4, v}, {area_.x, v}}, kFaintInk, 1);
    canvas_.text(area_.x - 6, v, fmt::format("{:g}", x), text_size * 0.85, kFaintInk, Align::Right);
  }
  for (double y = std::ceil(grid_.y_min / 10) * 10; y <= grid_.y_max + 1e-9; y += 10) {
    const double u = at({0, y}).x;
    canvas_.line(std::vector<Vec2>{{u, area_.y + area_.h}, {u, area_.y + area_.h + 4}}, kFaintInk, 1);
    const std::string tick = y == 0 ? "0 m" : fmt::format("{:g}", y);
    canvas_.text(u, area_.y + area_.h + 11, tick, text_size * 0.85, kFaintInk, Align::Centre);
  }
  canvas_.stroke({area_.x - 0.5, area_.y - 0.5, area_.w + 1, area_.h + 1}, kFaintInk, 1);
  canvas_.text(area_.x, area_.y - 11, title, text_size * 1.1, kInk, Align::Left, true);
}

}  // namespace bevgrad
