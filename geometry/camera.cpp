#include "geometry/camera.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <stdexcept>
#include <string>
#include <vector>

#include "geometry/polygon.h"

namespace bevgrad {

namespace {

constexpr double kMinDepth = 0.1;

double evaluate(const std::vector<double>& polynomial, double t) {
  double value = 0;
  for (auto it = polynomial.rbegin(); it != polynomial.rend(); ++it) value = value * t + *it;
  return value;
}

/// Zeros of a polynomial (lowest power first) in (0, limit], in rising order: between two neighbouring zeros of its
/// derivative it is monotonic, so a sign change there is one zero, found by bisection.
std::vector<double> positive_zeros(const std::vector<double>& polynomial, double limit) {
  if (polynomial.size() < 2) return {};
  std::vector<double> derivative;
  for (size_t i = 1; i < polynomial.size(); ++i) derivative.push_back(polynomial[i] * static_cast<double>(i));
  std::vector<double> knots = {0};
  for (double zero : positive_zeros(derivative, limit)) knots.push_back(zero);
  knots.push_back(limit);

  std::vector<double> zeros;
  for (size_t i = 0; i + 1 < knots.size(); ++i) {
    double low = knots[i], high = knots[i + 1];
    const double at_low = evaluate(polynomial, low), at_high = evaluate(polynomial, high);
    if (at_high == 0) {
      zeros.push_back(high);
      continue;
    }
    if (at_low == 0 || (at_low > 0) == (at_high > 0)) continue;
    while (true) {
      const double middle = low + (high - low) / 2;
      if (middle <= low || middle >= high) break;
      ((evaluate(polynomial, middle) > 0) == (at_low > 0) ? low : high) = middle;
    }
    zeros.push_back(high);
  }
  return zeros;
}

void require(bool condition, const char* what) {
  if (!condition) throw std::invalid_argument(std::string("camera: ") + what);
}

/// The product of two polynomials, lowest power first.
std::vector<double> product(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> result(a.size() + b.size() - 1);
  for (size_t i = 0; i < a.size(); ++i)
    for (size_t j = 0; j < b.size(); ++j) result[i + j] += a[i] * b[j];
  return result;
}

/// The first zero of a polynomial of r^2, as r. A radius of a million is a ray within a microradian of 90 degrees: past
/// it nothing is left to guard.
double first_radius(std::vector<double> polynomial) {
  while (polynomial.size() > 1 && polynomial.back() == 0) polynomial.pop_back();
  const std::vector<double> zeros = positive_zeros(polynomial, 1e12);
  return zeros.empty() ? std::numeric_limits<double>::infinity() : std::sqrt(zeros.front());
}

}  // namespace

/// How far from the centre the image lies, by how far the ray does: r * factor(r^2).
struct CameraProjector::Radial {
  std::array<double, 4> k;
  std::array<double, 3> d;

  double over(double r2) const { return 1 + r2 * (k[0] + r2 * (k[1] + r2 * (k[2] + r2 * k[3]))); }
  double under(double r2) const { return 1 + r2 * (d[0] + r2 * (d[1] + r2 * d[2])); }
  double factor(double r2) const { return over(r2) / under(r2); }
  /// Derivative of factor by r^2.
  double change(double r2) const {
    const double over_change = k[0] + r2 * (2 * k[1] + r2 * (3 * k[2] + r2 * 4 * k[3])),
                 under_change = d[0] + r2 * (2 * d[1] + r2 * 3 * d[2]), divisor = under(r2);
    return (over_change - over(r2) / divisor * under_change) / divisor;
  }
  /// Derivative of r * factor by r.
  double slope(double r2) const { return factor(r2) + 2 * r2 * change(r2); }

  /// The r in [0, limit) with r * factor(r^2) = distorted, where the left side rises; nothing where it never gets
  /// there. Newton's steps, kept inside a bracket that bisection shrinks.
  std::optional<double> undistorted(double distorted, double limit) const {
    double low = 0, high = std::min(limit, std::max(distorted, 1e-9));
    while (high * factor(high * high) < distorted) {
      if (high >= limit || high > 1e9) return std::nullopt;
      low = high;
      high = std::min(limit, high * 2);
    }
    double r = std::min(distorted, high);
    for (int i = 0; i < 200; ++i) {
      const double error = r * factor(r * r) - distorted;
      (error < 0 ? low : high) = r;
      double next = r - error / slope(r * r);
      if (!(next > low && next < high)) next = low + (high - low) / 2;
      if (std::abs(next - r) <= 1e-16 * std::max(1.0, r)) return next;
      r = next;
    }
    return r;
  }
};

CameraProjector::Radial CameraProjector::radial() const {
  const auto& d = camera_.distortion;
  if (camera_.is_fisheye()) return {{d[0], d[1], d[2], d[3]}, {}};
  return {{d[0], d[1], d[4], 0}, camera_.denominator};
}

const char* name(CameraKind kind) {
  return kind == CameraKind::Pinhole ? "pinhole" : kind == CameraKind::Fisheye ? "fisheye" : "rational";
}

void validate(const Camera& camera) {
  require(camera.width > 0 && camera.height > 0, "width and height must be positive");
  require(std::isfinite(camera.fx) && camera.fx > 0, "fx must be positive");
  require(std::isfinite(camera.fy) && camera.fy > 0, "fy must be positive");
  require(std::isfinite(camera.cx) && std::isfinite(camera.cy), "cx and cy must be finite");
  for (double k : camera.distortion) require(std::isfinite(k), "distortion must be finite");
  for (double k : camera.denominator)
    require(camera.kind == CameraKind::Rational ? std::isfinite(k) : k == 0,
            "k4, k5 and k6 must be finite, and 0 of a lens that is not rational");
  if (camera.is_fisheye())
    require(camera.fov > 0 && camera.fov <= 2 * std::numbers::pi, "fov of a fisheye must be in (0, 2 pi]");
  require(camera.sensor2ego.is_rigid(), "sensor2ego must be a rigid transform");
  for (const std::vector<Vec2>& polygon : camera.ego_mask) {
    require(polygon.size() >= 3, "a polygon of ego_mask must have three corners or more");
    for (const Vec2 corner : polygon)
      require(std::isfinite(corner.x) && std::isfinite(corner.y), "ego_mask must be finite");
  }
}

bool is_masked(const EgoMask& mask, Pixel pixel) {
  return std::any_of(mask.begin(), mask.end(), [&](const std::vector<Vec2>& polygon) {
    return contains(polygon, {pixel.u, pixel.v});
  });
}

double fold_back_radius(const std::array<double, 4>& k, const std::array<double, 3>& d) {
  // With s = r^2, N over D: the derivative of r N / D is ((N + 2 s N') D - 2 s N D') / D^2.
  const std::vector<double> over = {1, k[0], k[1], k[2], k[3]}, under = {1, d[0], d[1], d[2]};
  const std::vector<double> slope = product({1, 3 * k[0], 5 * k[1], 7 * k[2], 9 * k[3]}, under),
                            drag = product(over, {0, 2 * d[0], 4 * d[1], 6 * d[2]});
  std::vector<double> derivative;
  for (size_t i = 0; i < slope.size(); ++i) derivative.push_back(slope[i] - drag[i]);
  // Just before a pole, so that the model has a value up to there.
  return std::min(first_radius(derivative), first_radius(under) * (1 - 1e-9));
}

Pose camera_mount(Vec3 position, double yaw, double pitch, double roll) {
  // x right, y down, z forward -> x forward, y left, z up.
  const Pose axes{{0, 0, 1, 0, -1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 0, 1}};
  return Pose::from_angles(position, yaw, pitch, roll) * axes;
}

Camera camera_with_fov(CameraKind kind, int width, int height, double fov) {
  const bool is_pinhole = kind != CameraKind::Fisheye;
  require(width > 0 && height > 0, "width and height must be positive");
  require(fov > 0 && (is_pinhole ? fov < std::numbers::pi : fov <= 2 * std::numbers::pi),
          "fov must be in (0, pi), a fisheye's in (0, 2 pi]");
  Camera camera;
  camera.kind = kind;
  camera.width = width;
  camera.height = height;
  camera.fx = camera.fy = is_pinhole ? width / (2 * std::tan(fov / 2)) : width / fov;
  camera.cx = (width - 1) / 2.0;
  camera.cy = (height - 1) / 2.0;
  if (!is_pinhole) camera.fov = fov;
  return camera;
}

Camera resized(const Camera& camera, int width, int height) {
  require(camera.width > 0 && camera.height > 0 && width > 0 && height > 0, "cannot resize from or to an empty image");
  const double sx = static_cast<double>(width) / camera.width, sy = static_cast<double>(height) / camera.height;
  Camera result = camera;
  result.width = width;
  result.height = height;
  result.fx *= sx;
  result.fy *= sy;
  result.cx = (camera.cx + 0.5) * sx - 0.5;
  result.cy = (camera.cy + 0.5) * sy - 0.5;
  for (std::vector<Vec2>& polygon : result.ego_mask)
    for (Vec2& corner : polygon) corner = {(corner.x + 0.5) * sx - 0.5, (corner.y + 0.5) * sy - 0.5};
  return result;
}

Camera cropped(const Camera& camera, int left, int top, int width, int height) {
  require(width > 0 && height > 0, "cannot crop to an empty image");
  Camera result = camera;
  result.width = width;
  result.height = height;
  result.cx -= left;
  result.cy -= top;
  for (std::vector<Vec2>& polygon : result.ego_mask)
    for (Vec2& corner : polygon) corner = corner - Vec2{static_cast<double>(left), static_cast<double>(top)};
  return result;
}

CameraProjector::CameraProjector(const Camera& camera) : camera_(camera) {
  validate(camera);
  ego2sensor_ = camera.sensor2ego.inverse();
  const Radial lens = radial();
  fold_back_ = fold_back_radius(lens.k, lens.d);
  // A polynomial outgrows the tangential terms, or has folded back long before they matter; a quotient does not.
  if (camera.kind == CameraKind::Rational && (camera.distortion[2] != 0 || camera.distortion[3] != 0))
    fold_back_ = std::min(fold_back_, tangential_fold_back());
}

CameraProjector::Slopes CameraProjector::slopes(const Radial& lens, Vec2 p) const {
  const double p1 = camera_.distortion[2], p2 = camera_.distortion[3], r2 = dot(p, p);
  const double f = lens.factor(r2), df = 2 * lens.change(r2);
  return {f + df * p.x * p.x + 2 * p1 * p.y + 6 * p2 * p.x, df * p.x * p.y + 2 * p1 * p.x + 2 * p2 * p.y,
          f + df * p.y * p.y + 6 * p1 * p.y + 2 * p2 * p.x};
}

double CameraProjector::tangential_fold_back() const {
  constexpr int kDirections = 36;
  constexpr double kFirst = 0.1, kGrowth = 1.03, kFarthest = 1000;
  const Radial lens = radial();
  double limit = fold_back_;
  for (int i = 0; i < kDirections; ++i) {
    const Vec2 towards = direction(2 * std::numbers::pi * i / kDirections);
    for (double low = 0, high = kFirst; low < std::min(limit, kFarthest); low = high, high *= kGrowth) {
      if (slopes(lens, towards * std::min(high, limit)).determinant() > 0) continue;
      for (int round = 0; round < 60; ++round) {
        const double middle = (low + high) / 2;
        (slopes(lens, towards * middle).determinant() > 0 ? low : high) = middle;
      }
      limit = std::min(limit, low);
      break;
    }
  }
  return limit;
}

Vec2 CameraProjector::distort(Vec2 p) const {
  const auto& d = camera_.distortion;
  const double r2 = p.x * p.x + p.y * p.y;
  const double factor = radial().factor(r2);
  return {p.x * factor + 2 * d[2] * p.x * p.y + d[3] * (r2 + 2 * p.x * p.x),
          p.y * factor + d[2] * (r2 + 2 * p.y * p.y) + 2 * d[3] * p.x * p.y};
}

std::optional<Pixel> CameraProjector::project_sensor(const Vec3& p) const {
  Vec2 distorted;
  if (!camera_.is_fisheye()) {
    if (!(p.z > kMinDepth)) return std::nullopt;
    const Vec2 normalised = {p.x / p.z, p.y / p.z};
    if (!(norm(normalised) < fold_back_)) return std::nullopt;
    distorted = distort(normalised);
  } else {
    const double across = std::sqrt(p.x * p.x + p.y * p.y);
    const double angle = std::atan2(across, p.z);
    if (!(angle <= camera_.fov / 2 && angle < fold_back_)) return std::nullopt;
    const double radius = angle * radial().factor(angle * angle);
    const double scale = across > 0 ? radius / across : 0;
    distorted = {p.x * scale, p.y * scale};
  }
  const Pixel pixel = {camera_.fx * distorted.x + camera_.cx, camera_.fy * distorted.y + camera_.cy};
  if (!(pixel.u >= -0.5 && pixel.u < camera_.width - 0.5 && pixel.v >= -0.5 && pixel.v < camera_.height - 0.5))
    return std::nullopt;
  if (is_masked(camera_.ego_mask, pixel)) return std::nullopt;
  return pixel;
}

std::optional<Vec3> CameraProjector::unproject_fisheye(Vec2 distorted) const {
  const double radius = norm(distorted);
  const double limit = std::min(fold_back_, camera_.fov / 2 + 1e-12);
  const std::optional<double> angle = radial().undistorted(radius, limit);
  if (!angle) return std::nullopt;
  const double scale = radius > 0 ? std::sin(*angle) / radius : 0;
  return Vec3{distorted.x * scale, distorted.y * scale, std::cos(*angle)};
}

std::optional<Vec3> CameraProjector::unproject_pinhole(Vec2 distorted) const {
  const double radius = norm(distorted);
  const Radial lens = radial();
  // Without tangential terms this is the answer; with them it is where Newton's method on both coordinates starts.
  const std::optional<double> start = lens.undistorted(radius, fold_back_);
  const bool is_radial = camera_.distortion[2] == 0 && camera_.distortion[3] == 0;
  if (!start && (is_radial || !std::isfinite(fold_back_))) return std::nullopt;
  const double first = start ? *start : fold_back_ * 0.98;
  Vec2 p = radius > 0 ? distorted * (first / radius) : Vec2{};
  if (!is_radial) {
    double error = std::numeric_limits<double>::infinity();
    for (int i = 0; i < 50; ++i) {
      const Vec2 e = distort(p) - distorted;
      error = norm(e);
      if (error <= 1e-15 * std::max(1.0, radius)) break;
      const Slopes j = slopes(lens, p);
      const double determinant = j.determinant();
      if (!(std::abs(determinant) > 1e-12)) return std::nullopt;
      p = {p.x - (j.yy * e.x - j.xy * e.y) / determinant, p.y - (j.xx * e.y - j.xy * e.x) / determinant};
    }
    if (!(error <= 1e-9 * std::max(1.0, radius)) || !(norm(p) < fold_back_)) return std::nullopt;
  }
  const double length = std::sqrt(1 + dot(p, p));
  return Vec3{p.x / length, p.y / length, 1 / length};
}

std::optional<Vec3> CameraProjector::unproject_sensor(Pixel pixel) const {
  const Vec2 distorted = {(pixel.u - camera_.cx) / camera_.fx, (pixel.v - camera_.cy) / camera_.fy};
  return camera_.is_fisheye() ? unproject_fisheye(distorted) : unproject_pinhole(distorted);
}

std::optional<Ray> CameraProjector::unproject(Pixel pixel) const {
  const std::optional<Vec3> direction = unproject_sensor(pixel);
  if (!direction) return std::nullopt;
  return Ray{camera_.sensor2ego.translation(), camera_.sensor2ego.rotate(*direction)};
}

std::optional<Pixel> project(const Camera& camera, const Vec3& point_in_ego) {
  return CameraProjector(camera).project(point_in_ego);
}

}  // namespace bevgrad
