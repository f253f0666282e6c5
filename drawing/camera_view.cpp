#include "drawing/camera_view.h"

#include <algorithm>
#include <cmath>

#include "drawing/palette.h"

namespace bevgrad {

Pixels pixels_of(const Tensor& image) {
  check(image.defined() && image.dim() == 3 && image.size(0) == 3 && image.dtype() == DType::UInt8,
        "pixels_of: {}, expected uint8 [3,H,W]", image.defined() ? describe(image) : "undefined");
  Pixels pixels{static_cast<int>(image.size(2)), static_cast<int>(image.size(1)), {}};
  pixels.rgb.reserve(static_cast<size_t>(image.numel()));
  const uint8_t* data = image.data<const uint8_t>();
  for (int64_t y = 0; y < image.size(1); ++y)
    for (int64_t x = 0; x < image.size(2); ++x)
      for (int64_t c = 0; c < 3; ++c)
        pixels.rgb.push_back(data[c * image.stride(0) + y * image.stride(1) + x * image.stride(2)]);
  return pixels;
}

CameraView::CameraView(Canvas& canvas, const Rect& area, const CameraPicture& picture)
    : canvas_(canvas), area_(area), picture_(picture), projector_(picture.camera) {
  canvas_.image(picture.image, area_, true);
  Canvas::Clip clip(canvas_, area_);
  for (const std::vector<Vec2>& polygon : picture.camera.ego_mask) {
    std::vector<Vec2> outline;
    for (const Vec2 corner : polygon) outline.push_back(to_canvas({corner.x, corner.y}));
    canvas_.line(outline, kEgo, 1.5, true);
  }
}

Vec2 CameraView::to_canvas(Pixel pixel) const {
  return {area_.x + (pixel.u + 0.5) / picture_.camera.width * area_.w,
          area_.y + (pixel.v + 0.5) / picture_.camera.height * area_.h};
}

void CameraView::line(std::span<const Vec3> points, Color color, double width, bool closed) {
  if (points.empty()) return;
  Canvas::Clip clip(canvas_, area_);
  std::vector<Vec2> visible;
  const auto flush = [&] {
    if (visible.size() > 1) canvas_.line(visible, color, width);
    visible.clear();
  };
  const auto visit = [&](const Vec3& p) {
    const auto pixel = projector_.project(p);
    if (pixel)
      visible.push_back(to_canvas(*pixel));
    else
      flush();
  };
  visit(points[0]);
  for (size_t i = 1; i < points.size() + (closed ? 1 : 0); ++i) {
    const Vec3 from = points[i - 1], to = points[i % points.size()];
    const double length = norm(to - from);
    if (!std::isfinite(length)) return;
    const int steps = std::clamp(static_cast<int>(length / 0.2), 1, 1000);
    for (int s = 1; s <= steps; ++s) visit(from + (to - from) * (static_cast<double>(s) / steps));
  }
  flush();
}

void CameraView::ground_line(std::span<const Vec2> points, Color color, double width, bool closed) {
  std::vector<Vec3> on_ground;
  for (const Vec2 p : points) on_ground.push_back({p.x, p.y, 0});
  line(on_ground, color, width, closed);
}

void CameraView::box(const Box3d& box, Color color, double width) {
  const Vec2 ahead = direction(box.yaw), left = left_of(ahead);
  const auto corner = [&](double l, double w, double h) {
    const Vec2 p = Vec2{box.x, box.y} + ahead * (l * box.l / 2) + left * (w * box.w / 2);
    return Vec3{p.x, p.y, box.z + h * box.h / 2};
  };
  for (const double h : {-1.0, 1.0})
    line(std::vector{corner(1, 1, h), corner(-1, 1, h), corner(-1, -1, h), corner(1, -1, h)}, color, width, true);
  for (const double l : {-1.0, 1.0})
    for (const double w : {-1.0, 1.0}) line(std::vector{corner(l, w, -1), corner(l, w, 1)}, color, width);
  line(std::vector{corner(1, 1, -1), corner(1, -1, 1)}, color, width * 0.6);
  line(std::vector{corner(1, -1, -1), corner(1, 1, 1)}, color, width * 0.6);
}

void CameraView::point(const Vec3& point, Color color, double radius) {
  const auto pixel = projector_.project(point);
  if (!pixel) return;
  const Vec2 p = to_canvas(*pixel);
  canvas_.fill({p.x - radius, p.y - radius, 2 * radius, 2 * radius}, color);
}

void CameraView::caption() {
  const double width = canvas_.text_width(picture_.name, 11) + 10;
  canvas_.fill({area_.x, area_.y, width, 17}, rgb(0x000000).with_alpha(0.6));
  canvas_.text(area_.x + 5, area_.y + 8.5, picture_.name, 11, rgb(0xFFFFFF));
}

}  // namespace bevgrad
