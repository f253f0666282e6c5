// A lens of any model as OpenCV's fisheye (Kannala-Brandt), with what that costs.
#pragma once
#include "geometry/lens.h"

namespace bevgrad {

struct LensFit {
  Camera camera;               ///< Fisheye; without its mount
  double mean = 0, worst = 0;  ///< pixels between the lens and the camera, over the picture
  Pixel worst_at;
  double seen = 0;  ///< share of the picture's pixels that look anywhere
};

/// The fisheye whose pixels lie nearest to the lens's, by least squares over the picture's rays; its fov holds all of
/// them. Throws std::invalid_argument for a lens that `validate` refuses, that sees less than a tenth of its picture,
/// or that no monotonic fisheye comes near to.
LensFit fit_fisheye(const Lens& lens);

}  // namespace bevgrad
