// A camera's image as a panel, with what is known on the ground projected into it.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "data/sample.h"
#include "drawing/canvas.h"
#include "geometry/camera.h"

namespace bevgrad {

/// One camera's picture; `camera` is the calibration at the image's own size.
struct CameraPicture {
  std::string name;
  Camera camera;
  Pixels image;
};

/// From a uint8 tensor [3,H,W] of any strides.
Pixels pixels_of(const Tensor& image);

class CameraView {
 public:
  /// Draws the image into `area` (which should have its aspect ratio), and the outline of what is masked.
  CameraView(Canvas& canvas, const Rect& area, const CameraPicture& picture);

  /// A line in the ego frame, drawn where the camera sees it: it is sampled every 0.2 m, so that it bends as a fisheye
  /// or a distorted lens bends it.
  void line(std::span<const Vec3> points, Color color, double width, bool closed = false);
  void ground_line(std::span<const Vec2> points, Color color, double width, bool closed = false);
  /// The twelve edges, and a cross on the front.
  void box(const Box3d& box, Color color, double width);
  void point(const Vec3& point, Color color, double radius);
  void caption();

 private:
  Vec2 to_canvas(Pixel pixel) const;

  Canvas& canvas_;
  Rect area_;
  const CameraPicture& picture_;
  CameraProjector projector_;
};

}  // namespace bevgrad
