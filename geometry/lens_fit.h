// A lens of any model as one of the two that a Camera has, with what that costs.
#pragma once
#include "geometry/lens.h"

namespace bevgrad {

struct LensFit {
  Camera camera;               ///< without its mount
  double mean = 0, worst = 0;  ///< pixels between the lens and the camera, over the picture
  Pixel worst_at;
  double seen = 0;    ///< share of the picture's pixels that look anywhere
  double widest = 0;  ///< radians off the axis that the picture's pixels look
};

/// OpenCV's fisheye (Kannala-Brandt) or, up to 75 degrees off the axis, its pinhole camera with five coefficients:
/// whichever is nearest to the lens in the worst pixel, each by least squares over the picture's rays; a fisheye's fov
/// holds all of them. Throws std::invalid_argument for a lens that `validate` refuses, that sees less than a tenth of
/// its picture, or that no monotonic camera comes near to.
LensFit fit_lens(const Lens& lens);

}  // namespace bevgrad
