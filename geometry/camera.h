// Camera models with OpenCV's formulas and pixel convention (the centre of the first pixel is (0, 0)), and the rule
// that says whether a camera sees a point.
#pragma once
#include <array>
#include <optional>
#include <vector>

#include "geometry/pose.h"
#include "geometry/vector.h"

namespace bevgrad {

enum class CameraKind {
  /// Pinhole with OpenCV's radial-tangential distortion k1, k2, p1, p2, k3.
  Pinhole,
  /// OpenCV's fisheye (Kannala-Brandt) with k1, k2, k3, k4.
  Fisheye,
  /// Pinhole with OpenCV's rational distortion k1, k2, p1, p2, k3, k4, k5, k6: the radial factor is
  /// (1 + k1 r^2 + k2 r^4 + k3 r^6) / (1 + k4 r^2 + k5 r^4 + k6 r^6).
  Rational,
};

/// "pinhole", "fisheye", "rational".
const char* name(CameraKind kind);

/// What of a picture shows the own vehicle: polygons in pixels (x is u, y is v), whose last corner joins the first.
using EgoMask = std::vector<std::vector<Vec2>>;

/// A calibrated camera. The sensor frame is OpenCV's: x right, y down, z forward.
struct Camera {
  CameraKind kind = CameraKind::Pinhole;
  /// Image size in pixels that the intrinsics belong to.
  int width = 0, height = 0;
  double fx = 0, fy = 0, cx = 0, cy = 0;
  /// k1, k2, p1, p2, k3 (pinhole, rational) or k1, k2, k3, k4, unused (fisheye).
  std::array<double, 5> distortion = {};
  /// k4, k5, k6; rational only.
  std::array<double, 3> denominator = {};
  /// The whole field of view in radians; fisheye only.
  double fov = 0;
  Pose sensor2ego;
  /// Nothing is seen there.
  EgoMask ego_mask = {};

  bool operator==(const Camera&) const = default;
  bool is_fisheye() const { return kind == CameraKind::Fisheye; }
};

/// Throws std::invalid_argument naming the first field that is not finite or out of its range: sizes and focal lengths
/// must be positive, a fisheye's fov in (0, 2 pi], the denominator 0 of what is not rational, sensor2ego rigid,
/// polygons of the mask of three finite corners or more.
void validate(const Camera& camera);

struct Pixel {
  double u = 0, v = 0;
};

/// Whether one of the mask's polygons covers a place of the picture.
bool is_masked(const EgoMask& mask, Pixel pixel);

/// A ray in the ego frame; `direction` has length 1.
struct Ray {
  Vec3 origin;
  Vec3 direction;
};

/// The first positive zero of the derivative of r (1 + c0 r^2 + c1 r^4 + c2 r^6 + c3 r^8), divided by
/// 1 + d0 r^2 + d1 r^4 + d2 r^6 or before the first zero of that, in float64; infinity where there is none. Past it the
/// model folds back and makes ghosts.
double fold_back_radius(const std::array<double, 4>& coefficients, const std::array<double, 3>& denominator = {});

/// sensor2ego of a camera at `position` that looks along the ego's x axis, turned by `yaw` to the left, `pitch`
/// downward and `roll` clockwise as seen from behind it; radians.
Pose camera_mount(Vec3 position, double yaw, double pitch, double roll);

/// A camera without distortion whose image spans `fov` radians horizontally, its axis in the middle of the image.
/// Throws std::invalid_argument for a fisheye's fov outside (0, 2 pi] or another's outside (0, pi).
Camera camera_with_fov(CameraKind kind, int width, int height, double fov);

/// The camera after its image is resized to width x height: u' = (u + 0.5) * width'/width - 0.5.
Camera resized(const Camera& camera, int width, int height);
/// The camera after `left` and `top` pixels are cut off and the image is `width` x `height`.
Camera cropped(const Camera& camera, int left, int top, int width, int height);

/// Projects with what a camera needs precomputed. Build one a camera, use it for every point.
class CameraProjector {
 public:
  /// Throws std::invalid_argument for a camera that `validate` refuses.
  explicit CameraProjector(const Camera& camera);

  const Camera& camera() const { return camera_; }

  /// Where a point of the ego frame appears, or nothing where the camera does not see it. It is visible when its depth
  /// is over 0.1 m (fisheye: its angle off the axis is at most half the field of view), -0.5 <= u < width - 0.5, -0.5
  /// <= v < height - 0.5, not in the ego mask, and its radius (fisheye: angle) is below the model's fold-back (of
  /// a rational lens also below where its tangential terms, which outgrow the others in the end, turn it over).
  std::optional<Pixel> project(const Vec3& point_in_ego) const {
    return project_sensor(ego2sensor_.apply(point_in_ego));
  }
  /// The same for a point of the sensor frame.
  std::optional<Pixel> project_sensor(const Vec3& point_in_sensor) const;

  /// The ray (ego frame, from the camera's centre) that a pixel looks along: the inverse of `project`. Nothing where no
  /// ray within the monotonic range and the field of view leads there. Pixels may lie outside the image.
  std::optional<Ray> unproject(Pixel pixel) const;
  /// The same, as a unit direction of the sensor frame.
  std::optional<Vec3> unproject_sensor(Pixel pixel) const;

  /// Largest radius tan(angle) (fisheye: angle) before the model folds back; infinity where it never does.
  double fold_back() const { return fold_back_; }

 private:
  struct Radial;
  /// Derivatives of the distorted x by x, of x by y (and y by x), and of y by y.
  struct Slopes {
    double xx, xy, yy;
    double determinant() const { return xx * yy - xy * xy; }
  };
  Radial radial() const;
  Vec2 distort(Vec2 normalised) const;
  Slopes slopes(const Radial& lens, Vec2 normalised) const;
  double tangential_fold_back() const;
  std::optional<Vec3> unproject_pinhole(Vec2 distorted) const;
  std::optional<Vec3> unproject_fisheye(Vec2 distorted) const;

  Camera camera_;
  Pose ego2sensor_;
  double fold_back_ = 0;
};

/// One-off convenience for CameraProjector(camera).project(point).
std::optional<Pixel> project(const Camera& camera, const Vec3& point_in_ego);

}  // namespace bevgrad
