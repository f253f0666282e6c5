#include "geometry/lens_fit.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <stdexcept>

namespace bevgrad {

namespace {

constexpr int kSteps = 80;       // rays along each side of the picture
constexpr size_t kUnknowns = 7;  // centre, and the polynomial of odd powers to the ninth

using System = std::array<std::array<double, kUnknowns + 1>, kUnknowns>;

struct Sample {
  Vec3 ray;
  Pixel pixel;
};

/// Gauss's elimination with pivots; false where the system says too little.
bool solve(System& a, std::array<double, kUnknowns>& x) {
  for (size_t c = 0; c < kUnknowns; ++c) {
    size_t pivot = c;
    for (size_t r = c; r < kUnknowns; ++r)
      if (std::abs(a[r][c]) > std::abs(a[pivot][c])) pivot = r;
    if (!(std::abs(a[pivot][c]) > 1e-12)) return false;
    std::swap(a[c], a[pivot]);
    for (size_t r = 0; r < kUnknowns; ++r) {
      if (r == c) continue;
      const double factor = a[r][c] / a[c][c];
      for (size_t k = c; k <= kUnknowns; ++k) a[r][k] -= factor * a[c][k];
    }
  }
  for (size_t c = 0; c < kUnknowns; ++c) x[c] = a[c][kUnknowns] / a[c][c];
  return true;
}

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

}  // namespace

LensFit fit_fisheye(const Lens& lens) {
  validate(lens);
  const std::vector<Sample> samples = rays_of(lens);
  LensFit fit;
  fit.seen = static_cast<double>(samples.size()) / ((kSteps + 1) * (kSteps + 1));
  if (fit.seen < 0.1) throw std::invalid_argument("the lens sees less than a tenth of its picture");
  double widest = 0;
  for (const Sample& sample : samples) widest = std::max(widest, angle_of(sample.ray));
  // u = cx + cos * poly(angle), v = cy + aspect * sin * poly(angle): linear in the centre and the polynomial. Angles
  // are taken relative to the widest, which keeps the powers alike.
  const double aspect = lens.fy / lens.fx;
  System normal{};
  for (const Sample& sample : samples) {
    const double angle = angle_of(sample.ray) / widest, off_axis = std::hypot(sample.ray.x, sample.ray.y);
    const Vec2 heading = off_axis > 0 ? Vec2{sample.ray.x / off_axis, sample.ray.y / off_axis} : Vec2{};
    for (const bool is_u : {true, false}) {
      std::array<double, kUnknowns + 1> row{};
      row[is_u ? 0 : 1] = 1;
      double power = angle * (is_u ? heading.x : aspect * heading.y);
      for (size_t i = 2; i < kUnknowns; ++i, power *= angle * angle) row[i] = power;
      row[kUnknowns] = is_u ? sample.pixel.u : sample.pixel.v;
      for (size_t r = 0; r < kUnknowns; ++r)
        for (size_t c = 0; c <= kUnknowns; ++c) normal[r][c] += row[r] * row[c];
    }
  }
  std::array<double, kUnknowns> x{};
  if (!solve(normal, x) || !(x[2] > 0)) throw std::invalid_argument("no fisheye comes near to this lens");
  Camera& camera = fit.camera;
  camera.kind = CameraKind::Fisheye;
  camera.width = lens.width;
  camera.height = lens.height;
  camera.cx = x[0];
  camera.cy = x[1];
  camera.fx = x[2] / widest;
  camera.fy = camera.fx * aspect;
  double scale = widest * widest;
  for (size_t i = 0; i < 4; ++i, scale *= widest * widest) camera.distortion[i] = x[3 + i] / x[2] / scale;
  camera.fov = std::min(2 * widest + 1e-6, 2 * std::numbers::pi);
  const CameraProjector projector(camera);
  if (projector.fold_back() < widest)
    throw std::invalid_argument("the fisheye that comes nearest to this lens folds back");
  for (const Sample& sample : samples) {
    const double angle = angle_of(sample.ray), off_axis = std::hypot(sample.ray.x, sample.ray.y), a2 = angle * angle;
    const auto& k = camera.distortion;
    const double radius = angle * (1 + a2 * (k[0] + a2 * (k[1] + a2 * (k[2] + a2 * k[3]))));
    const double share = off_axis > 0 ? radius / off_axis : 0;
    const double error = std::hypot(camera.fx * sample.ray.x * share + camera.cx - sample.pixel.u,
                                    camera.fy * sample.ray.y * share + camera.cy - sample.pixel.v);
    fit.mean += error / static_cast<double>(samples.size());
    if (error <= fit.worst) continue;
    fit.worst = error;
    fit.worst_at = sample.pixel;
  }
  return fit;
}

}  // namespace bevgrad
