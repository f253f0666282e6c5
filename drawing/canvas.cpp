#include "drawing/canvas.h"

#include <cairo.h>

#include <cmath>
#include <cstring>
#include <fstream>

#include "base/error.h"
#include "drawing/png.h"

namespace bevgrad {
namespace {

constexpr const char* kFont = "DejaVu Sans";

std::shared_ptr<cairo_surface_t> new_surface(int width, int height) {
  check(width > 0 && height > 0 && width <= 16384 && height <= 16384,
        "canvas: {} x {} pixels, expected 1 to 16384 each", width, height);
  std::shared_ptr<cairo_surface_t> surface(cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height),
                                           cairo_surface_destroy);
  const auto status = cairo_surface_status(surface.get());
  check(status == CAIRO_STATUS_SUCCESS, "canvas: {} x {} pixels: {}", width, height, cairo_status_to_string(status));
  return surface;
}

}  // namespace

Canvas::Canvas(int width, int height, Color background)
    : width_(width),
      height_(height),
      surface_(new_surface(width, height)),
      context_(cairo_create(surface_.get()), cairo_destroy) {
  cairo_set_line_join(context_.get(), CAIRO_LINE_JOIN_ROUND);
  cairo_set_line_cap(context_.get(), CAIRO_LINE_CAP_ROUND);
  fill({0, 0, static_cast<double>(width), static_cast<double>(height)}, background);
}

void Canvas::set(Color color) {
  cairo_set_source_rgba(context_.get(), color.r, color.g, color.b, color.a);
}

void Canvas::fill(const Rect& rect, Color color) {
  set(color);
  cairo_rectangle(context_.get(), rect.x, rect.y, rect.w, rect.h);
  cairo_fill(context_.get());
}

void Canvas::stroke(const Rect& rect, Color color, double width) {
  set(color);
  cairo_set_line_width(context_.get(), width);
  cairo_rectangle(context_.get(), rect.x, rect.y, rect.w, rect.h);
  cairo_stroke(context_.get());
}

void Canvas::line(std::span<const Vec2> points, Color color, double width, bool closed) {
  set(color);
  cairo_set_line_width(context_.get(), width);
  cairo_new_path(context_.get());
  for (const Vec2 p : points) {
    if (!std::isfinite(p.x) || !std::isfinite(p.y)) break;
    cairo_line_to(context_.get(), p.x, p.y);
  }
  if (closed) cairo_close_path(context_.get());
  cairo_stroke(context_.get());
}

void Canvas::polygon(std::span<const Vec2> points, Color color) {
  set(color);
  cairo_new_path(context_.get());
  for (const Vec2 p : points) cairo_line_to(context_.get(), p.x, p.y);
  cairo_close_path(context_.get());
  cairo_fill(context_.get());
}

void Canvas::circle(Vec2 centre, double radius, Color color) {
  set(color);
  cairo_new_path(context_.get());
  cairo_arc(context_.get(), centre.x, centre.y, radius, 0, 2 * M_PI);
  cairo_fill(context_.get());
}

double Canvas::text_width(const std::string& text, double size, bool bold) {
  cairo_select_font_face(context_.get(), kFont, CAIRO_FONT_SLANT_NORMAL,
                         bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
  cairo_set_font_size(context_.get(), size);
  cairo_text_extents_t extents;
  cairo_text_extents(context_.get(), text.c_str(), &extents);
  return extents.x_advance;
}

void Canvas::text(double x, double y, const std::string& text, double size, Color color, Align align, bool bold) {
  const double width = text_width(text, size, bold);
  set(color);
  const double left = align == Align::Left ? x : align == Align::Centre ? x - width / 2 : x - width;
  cairo_move_to(context_.get(), left, y + size * 0.36);
  cairo_show_text(context_.get(), text.c_str());
}

void Canvas::image(const Pixels& pixels, const Rect& rect, bool smooth) {
  check(pixels.rgb.size() == static_cast<size_t>(pixels.width) * static_cast<size_t>(pixels.height) * 3,
        "canvas: {} bytes for {} x {} pixels", pixels.rgb.size(), pixels.width, pixels.height);
  const auto surface = new_surface(pixels.width, pixels.height);
  cairo_surface_flush(surface.get());
  unsigned char* data = cairo_image_surface_get_data(surface.get());
  const int stride = cairo_image_surface_get_stride(surface.get());
  for (int y = 0; y < pixels.height; ++y)
    for (int x = 0; x < pixels.width; ++x) {
      const uint8_t* p = &pixels.rgb[(static_cast<size_t>(y) * pixels.width + x) * 3];
      const uint32_t value = static_cast<uint32_t>(p[0]) << 16 | static_cast<uint32_t>(p[1]) << 8 | p[2];
      std::memcpy(data + static_cast<ptrdiff_t>(y) * stride + x * 4, &value, 4);
    }
  cairo_surface_mark_dirty(surface.get());
  cairo_t* c = context_.get();
  cairo_save(c);
  cairo_rectangle(c, rect.x, rect.y, rect.w, rect.h);
  cairo_clip(c);
  cairo_translate(c, rect.x, rect.y);
  cairo_scale(c, rect.w / pixels.width, rect.h / pixels.height);
  cairo_set_source_surface(c, surface.get(), 0, 0);
  cairo_pattern_set_filter(cairo_get_source(c), smooth ? CAIRO_FILTER_GOOD : CAIRO_FILTER_NEAREST);
  cairo_pattern_set_extend(cairo_get_source(c), CAIRO_EXTEND_PAD);
  cairo_paint(c);
  cairo_restore(c);
}

Canvas::Clip::Clip(Canvas& canvas, const Rect& rect) : canvas_(canvas) {
  cairo_save(canvas.context_.get());
  cairo_rectangle(canvas.context_.get(), rect.x, rect.y, rect.w, rect.h);
  cairo_clip(canvas.context_.get());
}

Canvas::Clip::~Clip() {
  cairo_restore(canvas_.context_.get());
}

std::string Canvas::png() const {
  return encode_png(pixels(), comment_);
}

void Canvas::write_png(const std::string& path) const {
  std::ofstream file(path, std::ios::binary);
  const std::string bytes = png();
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  check(file.good(), "{}: the picture could not be written", path);
}

Pixels Canvas::pixels() const {
  cairo_surface_flush(surface_.get());
  const unsigned char* data = cairo_image_surface_get_data(surface_.get());
  const int stride = cairo_image_surface_get_stride(surface_.get());
  Pixels out{width_, height_, {}};
  out.rgb.resize(static_cast<size_t>(width_) * static_cast<size_t>(height_) * 3);
  uint8_t* to = out.rgb.data();
  for (int y = 0; y < height_; ++y)
    for (int x = 0; x < width_; ++x, to += 3) {
      uint32_t value;
      std::memcpy(&value, data + static_cast<ptrdiff_t>(y) * stride + x * 4, 4);
      to[0] = static_cast<uint8_t>(value >> 16);
      to[1] = static_cast<uint8_t>(value >> 8);
      to[2] = static_cast<uint8_t>(value);
    }
  return out;
}

}  // namespace bevgrad
