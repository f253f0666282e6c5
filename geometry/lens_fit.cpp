#include "geometry/lens_fit.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <optional>
#include <stdexcept>
#include <vector>

namespace bevgrad {

namespace {

constexpr int kSteps = 80;  // rays along each side of the picture
/// Radians off the axis up to which a pinhole camera is tried.
constexpr double kWidestPinhole = 75 * std::numbers::pi / 180;

struct Sample {
  Vec3 ray;
  Pixel pixel;
};

/// Sums of least squares for Unknowns numbers: the normal equations, their right side last.
template <size_t Unknowns>
class LeastSquares {
 public:
  using Row = std::array<double, Unknowns + 1>;

  void add(const Row& row) {
    for (size_t r = 0; r < Unknowns; ++r)
      for (size_t c = 0; c <= Unknowns; ++c) sums_[r][c] += row[r] * row[c];
  }
  /// Gauss's elimination with pivots; nothing where the rows say too little.
  std::optional<std::array<double, Unknowns>> solve() {
    auto& a = sums_;
    for (size_t c = 0; c < Unknowns; ++c) {
      size_t pivot = c;
      for (size_t r = c; r < Unknowns; ++r)
        if (std::abs(a[r][c]) > std::abs(a[pivot][c])) pivot = r;
      if (!(std::abs(a[pivot][c]) > 1e-12)) return std::nullopt;
      std::swap(a[c], a[pivot]);
      for (size_t r = 0; r < Unknowns; ++r) {
        if (r == c) continue;
        const double factor = a[r][c] / a[c][c];
        for (size_t k = c; k <= Unknowns; ++k) a[r][k] -= factor * a[c][k];
      }
    }
    std::array<double, Unknowns> x{};
    for (size_t c = 0; c < Unknowns; ++c) x[c] = a[c][Unknowns] / a[c][c];
    return x;
  }

 private:
  std::array<Row, Unknowns> sums_{};
};

std::vector<Sample> rays_of(const Lens& lens) {
  std::vector<Sample> samples;
  for (int i = 0; i <= kSteps; ++i)
    for (int j = 0; j <= kSteps; ++j) {
      const Pixel pixel{(lens.width - 1.0) * j / kSteps, (lens.height - 1.0) * i / kSteps};
      const auto ray = unproject(lens, pixel);
      if (!ray) continue;
      // A pixel past the fold looks along a ray whose image is elsewhere.
      const auto back = project(lens, *ray);
      if (back && std::hypot(back->u - pixel.u, back->v - pixel.v) < 1e-3) samples.push_back({*ray, pixel});
    }
  return samples;
}

double angle_of(const Vec3& ray) {
  return std::atan2(std::hypot(ray.x, ray.y), ray.z);
}

/// u = cx + cos * poly(angle), v = cy + aspect * sin * poly(angle): linear in the centre and the polynomial of odd
/// powers to the ninth. Angles are taken relative to the widest, which keeps the powers alike.
std::optional<Camera> nearest_fisheye(const std::vector<Sample>& samples, double aspect, double widest) {
  constexpr size_t kUnknowns = 7;
  LeastSquares<kUnknowns> squares;
  for (const Sample& sample : samples) {
    const double angle = angle_of(sample.ray) / widest, off_axis = std::hypot(sample.ray.x, sample.ray.y);
    const Vec2 heading = off_axis > 0 ? Vec2{sample.ray.x / off_axis, sample.ray.y / off_axis} : Vec2{};
    for (const bool is_u : {true, false}) {
      LeastSquares<kUnknowns>::Row row{};
      row[is_u ? 0 : 1] = 1;
      double power = angle * (is_u ? heading.x : aspect * heading.y);
      for (size_t i = 2; i < kUnknowns; ++i, power *= angle * angle) row[i] = power;
      row[kUnknowns] = is_u ? sample.pixel.u : sample.pixel.v;
      squares.add(row);
    }
  }
  const auto x = squares.solve();
  if (!x || !((*x)[2] > 0)) return std::nullopt;
  Camera camera;
  camera.kind = CameraKind::Fisheye;
  camera.cx = (*x)[0];
  camera.cy = (*x)[1];
  camera.fx = (*x)[2] / widest;
  double scale = widest * widest;
  for (size_t i = 0; i < 4; ++i, scale *= widest * widest) camera.distortion[i] = (*x)[3 + i] / (*x)[2] / scale;
  camera.fov = std::min(2 * widest + 1e-6, 2 * std::numbers::pi);
  return camera;
}

/// The same with OpenCV's radial and tangential terms, which are linear in the normalised coordinates' powers; these
/// are taken relative to the largest radius.
std::optional<Camera> nearest_pinhole(const std::vector<Sample>& samples, double aspect, double widest) {
  constexpr size_t kUnknowns = 8;
  const double radius = std::tan(widest);
  LeastSquares<kUnknowns> squares;
  for (const Sample& sample : samples) {
    const Vec2 p = Vec2{sample.ray.x, sample.ray.y} * (1 / sample.ray.z / radius);
    const double r2 = dot(p, p);
    LeastSquares<kUnknowns>::Row u{1, 0, p.x}, v{0, 1, aspect * p.y};
    for (size_t i = 3; i < 6; ++i) {
      u[i] = u[i - 1] * r2;
      v[i] = v[i - 1] * r2;
    }
    u[6] = 2 * p.x * p.y;
    v[6] = aspect * (r2 + 2 * p.y * p.y);
    u[7] = r2 + 2 * p.x * p.x;
    v[7] = aspect * 2 * p.x * p.y;
    u[kUnknowns] = sample.pixel.u;
    v[kUnknowns] = sample.pixel.v;
    squares.add(u);
    squares.add(v);
  }
  const auto x = squares.solve();
  if (!x || !((*x)[2] > 0)) return std::nullopt;
  Camera camera;
  camera.kind = CameraKind::Pinhole;
  camera.cx = (*x)[0];
  camera.cy = (*x)[1];
  camera.fx = (*x)[2] / radius;
  const double r2 = radius * radius, f = (*x)[2];
  camera.distortion = {(*x)[3] / f / r2, (*x)[4] / f / (r2 * r2), (*x)[6] / f / radius, (*x)[7] / f / radius,
                       (*x)[5] / f / (r2 * r2 * r2)};
  return camera;
}

/// Pixels around the picture, so that what is seen just outside is told from what is not seen.
constexpr double kRoom = 1000;

Camera with_room(Camera camera) {
  camera.width += static_cast<int>(2 * kRoom);
  camera.height += static_cast<int>(2 * kRoom);
  camera.cx += kRoom;
  camera.cy += kRoom;
  return camera;
}

/// The camera's mean and worst distance from the samples; nothing where it does not see one of them.
std::optional<LensFit> judged(const Camera& camera, const std::vector<Sample>& samples) {
  LensFit fit;
  fit.camera = camera;
  const CameraProjector projector(with_room(camera));
  for (const Sample& sample : samples) {
    const auto seen = projector.project_sensor(sample.ray);
    if (!seen) return std::nullopt;
    const Pixel wanted = {sample.pixel.u + kRoom, sample.pixel.v + kRoom};
    const double error = std::hypot(seen->u - wanted.u, seen->v - wanted.v);
    fit.mean += error / static_cast<double>(samples.size());
    if (error <= fit.worst) continue;
    fit.worst = error;
    fit.worst_at = sample.pixel;
  }
  return fit;
}

}  // namespace

LensFit fit_lens(const Lens& lens) {
  validate(lens);
  const std::vector<Sample> samples = rays_of(lens);
  const double seen = static_cast<double>(samples.size()) / ((kSteps + 1) * (kSteps + 1));
  if (seen < 0.1) throw std::invalid_argument("the lens sees less than a tenth of its picture");
  double widest = 0;
  for (const Sample& sample : samples) widest = std::max(widest, angle_of(sample.ray));
  const double aspect = lens.fy / lens.fx;
  std::optional<LensFit> best;
  for (const auto& nearest : {nearest_fisheye, nearest_pinhole}) {
    if (nearest == nearest_pinhole && widest > kWidestPinhole) continue;
    std::optional<Camera> camera = nearest(samples, aspect, widest);
    if (!camera) continue;
    camera->width = lens.width;
    camera->height = lens.height;
    camera->fy = camera->fx * aspect;
    const std::optional<LensFit> fit = judged(*camera, samples);
    if (fit && (!best || fit->worst < best->worst)) best = fit;
  }
  if (!best) throw std::invalid_argument("no camera comes near to this lens without folding back");
  best->seen = seen;
  best->widest = widest;
  return *best;
}

}  // namespace bevgrad
