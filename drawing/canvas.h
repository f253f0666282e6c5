// A picture to draw on: Cairo behind plain calls. Pixels are anti-aliased, coordinates are pixels from the top left.
#pragma once
#include <array>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "geometry/vector.h"

struct _cairo_surface;
struct _cairo;

namespace bevgrad {

/// Red, green, blue and opacity in 0..1.
struct Color {
  double r = 0, g = 0, b = 0, a = 1;

  Color with_alpha(double alpha) const { return {r, g, b, alpha}; }
};

/// 0xRRGGBB.
constexpr Color rgb(unsigned hex) {
  return {((hex >> 16) & 255) / 255.0, ((hex >> 8) & 255) / 255.0, (hex & 255) / 255.0, 1};
}

struct Rect {
  double x = 0, y = 0, w = 0, h = 0;
};

enum class Align { Left, Centre, Right };

/// RGB values of a picture, row-major, 3 bytes a pixel.
struct Pixels {
  int width = 0, height = 0;
  std::vector<uint8_t> rgb;
};

class Canvas {
 public:
  /// Throws Error where the size is not in 1..16384 or memory is missing.
  Canvas(int width, int height, Color background);

  int width() const { return width_; }
  int height() const { return height_; }

  void fill(const Rect& rect, Color color);
  void stroke(const Rect& rect, Color color, double width = 1);
  /// An open line, or a closed one. Points that are not finite end it.
  void line(std::span<const Vec2> points, Color color, double width, bool closed = false);
  void polygon(std::span<const Vec2> points, Color color);
  void circle(Vec2 centre, double radius, Color color);
  /// `y` is the middle of the line of text.
  void text(double x, double y, const std::string& text, double size, Color color, Align align = Align::Left,
            bool bold = false);
  double text_width(const std::string& text, double size, bool bold = false);
  /// Draws pixels into `rect`, smoothed or (for rasters) as sharp blocks.
  void image(const Pixels& pixels, const Rect& rect, bool smooth);
  /// Everything until the guard dies is drawn inside `rect` only.
  class Clip {
   public:
    Clip(Canvas& canvas, const Rect& rect);
    ~Clip();
    Clip(const Clip&) = delete;
    Clip& operator=(const Clip&) = delete;

   private:
    Canvas& canvas_;
  };

  /// What the PNG file says of itself beside its pixels (read_png_comment of drawing/png.h).
  void set_comment(std::string comment) { comment_ = std::move(comment); }
  /// Throws Error naming the file that could not be written.
  void write_png(const std::string& path) const;
  /// The PNG file as bytes.
  std::string png() const;
  Pixels pixels() const;

 private:
  void set(Color color);

  int width_, height_;
  std::string comment_;
  std::shared_ptr<_cairo_surface> surface_;
  std::shared_ptr<_cairo> context_;
};

}  // namespace bevgrad
