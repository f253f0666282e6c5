// Lens models of other tools, forward and back by their published formulas. They are refitted to a
// pinhole or fisheye Camera (lens_fit.h); a rational one is a Camera itself. The sensor frame is OpenCV's (x right, y
// down, z forward), the centre of the first pixel is (0, 0).
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "geometry/camera.h"

namespace bevgrad {

enum class LensModel {
  /// OpenCV's rational model: k1, k2, p1, p2, k3, k4, k5, k6.
  Rational,
  /// The unified model of Mei and Rives (2007), as in OpenCV's omnidir and KITTI-360: xi, k1, k2, p1, p2.
  Mei,
  /// The double sphere of Usenko, Demmel and Cremers (2018): xi, alpha.
  DoubleSphere,
  /// WoodScape's fourth-order polynomial of the angle off the axis, in pixels: k1, k2, k3, k4. fx is 1, fy the aspect
  /// ratio.
  WoodScape,
  /// Scaramuzza's OCamCalib: c, d, e, then a0, a1, a2, ... of the polynomial of the distance from the centre, in pixels
  /// (a0 is negative). cx is its yc (the column), cy its xc (the row); fx and fy are 1.
  OCam,
};

/// "rational", "mei", "double_sphere", "woodscape", "ocam".
const std::vector<std::string>& lens_model_names();
/// Throws std::invalid_argument for a name that is none of them.
LensModel lens_model_named(const std::string& name);

struct Lens {
  LensModel model = LensModel::Rational;
  int width = 0, height = 0;
  double fx = 1, fy = 1, cx = 0, cy = 0;
  std::vector<double> parameters;
};

/// Throws std::invalid_argument, naming the field, for a size that is not positive, numbers that are not finite,
/// another count of parameters than the model's, or parameters outside the model's range.
void validate(const Lens& lens);

/// Where a direction appears, or nothing where the model has no image of it. Pixels may lie outside the picture.
std::optional<Pixel> project(const Lens& lens, const Vec3& direction);
/// The unit direction that a pixel looks along, or nothing where there is none.
std::optional<Vec3> unproject(const Lens& lens, Pixel pixel);

}  // namespace bevgrad
