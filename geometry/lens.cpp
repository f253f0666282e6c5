#include "geometry/lens.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <numbers>
#include <stdexcept>

namespace bevgrad {

namespace {

struct ModelName {
  const char* name;
  LensModel model;
  size_t fewest, most;  // parameters
};
constexpr std::array<ModelName, 5> kModels = {{{"rational", LensModel::Rational, 8, 8},
                                               {"mei", LensModel::Mei, 5, 5},
                                               {"double_sphere", LensModel::DoubleSphere, 2, 2},
                                               {"woodscape", LensModel::WoodScape, 4, 4},
                                               {"ocam", LensModel::OCam, 4, 16}}};

const ModelName& entry_of(LensModel model) {
  return *std::find_if(kModels.begin(), kModels.end(), [&](const ModelName& entry) { return entry.model == model; });
}

/// Radial and tangential distortion of normalised coordinates: radial(r^2) and OpenCV's p1, p2.
template <class Radial>
Vec2 distorted(Vec2 p, Radial radial, double p1, double p2) {
  const double r2 = dot(p, p), scale = radial(r2);
  return {p.x * scale + 2 * p1 * p.x * p.y + p2 * (r2 + 2 * p.x * p.x),
          p.y * scale + p1 * (r2 + 2 * p.y * p.y) + 2 * p2 * p.x * p.y};
}

/// The point that `distort` takes to `wanted`, by Newton's method from `wanted`. Nothing where it does not settle or
/// ends on a branch that is turned over.
template <class Distort>
std::optional<Vec2> undistorted(Vec2 wanted, Distort distort) {
  constexpr double kStep = 1e-6;
  Vec2 p = wanted;
  for (int round = 0; round < 50; ++round) {
    const Vec2 off = distort(p) - wanted;
    const Vec2 dx = (distort({p.x + kStep, p.y}) - distort({p.x - kStep, p.y})) * (0.5 / kStep);
    const Vec2 dy = (distort({p.x, p.y + kStep}) - distort({p.x, p.y - kStep})) * (0.5 / kStep);
    const double determinant = cross(dx, dy);
    if (!(determinant > 1e-9)) return std::nullopt;
    const Vec2 step{cross(off, dy) / determinant, cross(dx, off) / determinant};
    p = p - step;
    if (!(norm(p) < 1e3)) return std::nullopt;
    if (norm(step) < 1e-13) break;
  }
  return norm(distort(p) - wanted) < 1e-9 ? std::optional(p) : std::nullopt;
}

/// The first root of a function from `low` on that is negative at first, before `high`.
std::optional<double> first_root(const std::function<double(double)>& f, double low, double high) {
  constexpr int kParts = 256;
  double left = low;
  for (int i = 1; i <= kParts; ++i) {
    double right = low + (high - low) * i / kParts;
    if (!(f(right) >= 0)) {
      left = right;
      continue;
    }
    for (int round = 0; round < 80; ++round) (f((left + right) / 2) >= 0 ? right : left) = (left + right) / 2;
    return (left + right) / 2;
  }
  return std::nullopt;
}

Vec3 unit(const Vec3& v) {
  return v * (1 / norm(v));
}

std::optional<Vec3> unit_of(double x, double y, double z) {
  const Vec3 v{x, y, z};
  const double length = norm(v);
  if (!(length > 0 && std::isfinite(length))) return std::nullopt;
  return v * (1 / length);
}

// OpenCV's rational model.

Vec2 rational(const std::vector<double>& k, Vec2 p) {
  const auto radial = [&](double r2) {
    return (1 + r2 * (k[0] + r2 * (k[1] + r2 * k[4]))) / (1 + r2 * (k[5] + r2 * (k[6] + r2 * k[7])));
  };
  return distorted(p, radial, k[2], k[3]);
}

// Mei and Rives: onto the unit sphere, seen from xi behind its centre, distorted.

Vec2 mei(const std::vector<double>& k, Vec2 p) {
  return distorted(
      p, [&](double r2) { return 1 + r2 * (k[1] + r2 * k[2]); }, k[3], k[4]);
}

std::optional<Vec2> mei_project(const std::vector<double>& k, const Vec3& on_sphere) {
  const double xi = k[0], depth = on_sphere.z + xi;
  // What lies behind the horizon of the second centre has no image: the ray would meet the sphere twice.
  const double horizon = xi > 1 ? -1 / xi : -xi;
  if (!(depth > 1e-9 && on_sphere.z > horizon)) return std::nullopt;
  return mei(k, {on_sphere.x / depth, on_sphere.y / depth});
}

std::optional<Vec3> mei_lift(double xi, Vec2 p) {
  const double r2 = dot(p, p), root = 1 + (1 - xi * xi) * r2;
  if (root < 0) return std::nullopt;
  const double scale = (xi + std::sqrt(root)) / (1 + r2);
  return unit_of(scale * p.x, scale * p.y, scale - xi);
}

// The double sphere.

std::optional<Vec2> double_sphere_project(double xi, double alpha, const Vec3& ray) {
  const double w1 = alpha > 0.5 ? (1 - alpha) / alpha : alpha / (1 - alpha);
  const double w2 = (w1 + xi) / std::sqrt(2 * w1 * xi + xi * xi + 1);
  if (!(ray.z > -w2)) return std::nullopt;
  const double shifted = xi + ray.z, d2 = std::sqrt(ray.x * ray.x + ray.y * ray.y + shifted * shifted);
  const double depth = alpha * d2 + (1 - alpha) * shifted;
  if (!(depth > 1e-9)) return std::nullopt;
  return Vec2{ray.x / depth, ray.y / depth};
}

std::optional<Vec3> double_sphere_lift(double xi, double alpha, Vec2 p) {
  const double r2 = dot(p, p), inner = 1 - (2 * alpha - 1) * r2;
  if (inner < 0) return std::nullopt;
  const double mz = (1 - alpha * alpha * r2) / (alpha * std::sqrt(inner) + 1 - alpha);
  const double root = mz * mz + (1 - xi * xi) * r2;
  if (root < 0) return std::nullopt;
  const double scale = (mz * xi + std::sqrt(root)) / (mz * mz + r2);
  return unit_of(scale * p.x, scale * p.y, scale * mz - xi);
}

// WoodScape.

double woodscape_radius(const std::vector<double>& k, double angle) {
  return angle * (k[0] + angle * (k[1] + angle * (k[2] + angle * k[3])));
}

/// Nothing where the polynomial has begun to fold back.
std::optional<double> woodscape_angle(const std::vector<double>& k, double radius) {
  return first_root([&](double angle) { return woodscape_radius(k, angle) - radius; }, 0, std::numbers::pi);
}

// OCamCalib. Its frame has x down the rows, y along the columns, z toward the scene's opposite.

double ocam_depth(const std::vector<double>& k, double radius) {
  double z = 0;
  for (size_t i = k.size(); i-- > 3;) z = z * radius + k[i];
  return -z;
}

/// The distance from the centre whose ray has this depth and distance off the axis.
std::optional<double> ocam_radius(const Lens& lens, double off_axis, double depth) {
  const double farthest = 2 * std::hypot(lens.width, lens.height);
  return first_root([&](double radius) { return depth * radius - off_axis * ocam_depth(lens.parameters, radius); }, 0,
                    farthest);
}

}  // namespace

const std::vector<std::string>& lens_model_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const ModelName& entry : kModels) all.emplace_back(entry.name);
    return all;
  }();
  return names;
}

LensModel lens_model_named(const std::string& name) {
  for (const ModelName& entry : kModels)
    if (name == entry.name) return entry.model;
  throw std::invalid_argument("there is no lens model '" + name + "'");
}

void validate(const Lens& lens) {
  const auto require = [](bool holds, const std::string& text) {
    if (!holds) throw std::invalid_argument(text);
  };
  const ModelName& model = entry_of(lens.model);
  require(lens.width > 0 && lens.height > 0, "the size is not positive");
  require(lens.fx > 0 && lens.fy > 0 && std::isfinite(lens.fx) && std::isfinite(lens.fy), "fx and fy are not above 0");
  require(std::isfinite(lens.cx) && std::isfinite(lens.cy), "cx and cy are not finite");
  require(lens.parameters.size() >= model.fewest && lens.parameters.size() <= model.most,
          std::string("the model ") + model.name + " has " + std::to_string(model.fewest) +
              (model.most > model.fewest ? " to " + std::to_string(model.most) : "") + " parameters, " +
              std::to_string(lens.parameters.size()) + " came");
  for (const double value : lens.parameters) require(std::isfinite(value), "a parameter is not finite");
  const std::vector<double>& k = lens.parameters;
  if (lens.model == LensModel::Mei) require(k[0] >= 0, "xi is below 0");
  if (lens.model == LensModel::DoubleSphere)
    require(k[0] > -1 && k[0] < 1 && k[1] >= 0 && k[1] <= 1, "xi is not within -1..1 or alpha not within 0..1");
  if (lens.model == LensModel::WoodScape) require(k[0] > 0, "k1 is not above 0");
  if (lens.model == LensModel::OCam) require(k[3] < 0, "a0 is not below 0");
}

std::optional<Pixel> project(const Lens& lens, const Vec3& direction) {
  const double length = norm(direction);
  if (!(length > 0 && std::isfinite(length))) return std::nullopt;
  const Vec3 ray = unit(direction);
  const std::vector<double>& k = lens.parameters;
  std::optional<Vec2> p;
  switch (lens.model) {
    case LensModel::Rational:
      if (ray.z > 1e-6) p = rational(k, {ray.x / ray.z, ray.y / ray.z});
      break;
    case LensModel::Mei:
      p = mei_project(k, ray);
      break;
    case LensModel::DoubleSphere:
      p = double_sphere_project(k[0], k[1], ray);
      break;
    case LensModel::WoodScape: {
      const double off_axis = std::hypot(ray.x, ray.y), radius = woodscape_radius(k, std::atan2(off_axis, ray.z));
      p = off_axis > 0 ? Vec2{ray.x / off_axis * radius, ray.y / off_axis * radius} : Vec2{};
      break;
    }
    case LensModel::OCam: {
      const double off_axis = std::hypot(ray.x, ray.y);
      const std::optional<double> radius = off_axis > 0 ? ocam_radius(lens, off_axis, ray.z) : 0;
      if (!radius) return std::nullopt;
      const double right = off_axis > 0 ? ray.x / off_axis * *radius : 0,
                   down = off_axis > 0 ? ray.y / off_axis * *radius : 0;
      return Pixel{lens.cx + k[2] * down + right, lens.cy + k[0] * down + k[1] * right};
    }
  }
  if (!p) return std::nullopt;
  return Pixel{lens.fx * p->x + lens.cx, lens.fy * p->y + lens.cy};
}

std::optional<Vec3> unproject(const Lens& lens, Pixel pixel) {
  const std::vector<double>& k = lens.parameters;
  const Vec2 p{(pixel.u - lens.cx) / lens.fx, (pixel.v - lens.cy) / lens.fy};
  switch (lens.model) {
    case LensModel::Rational: {
      const auto plain = undistorted(p, [&](Vec2 q) { return rational(k, q); });
      return plain ? unit_of(plain->x, plain->y, 1) : std::nullopt;
    }
    case LensModel::Mei: {
      const auto plain = undistorted(p, [&](Vec2 q) { return mei(k, q); });
      return plain ? mei_lift(k[0], *plain) : std::nullopt;
    }
    case LensModel::DoubleSphere:
      return double_sphere_lift(k[0], k[1], p);
    case LensModel::WoodScape: {
      const double radius = norm(p);
      const std::optional<double> angle = radius > 0 ? woodscape_angle(k, radius) : 0;
      if (!angle) return std::nullopt;
      const double off_axis = std::sin(*angle), scale = radius > 0 ? off_axis / radius : 0;
      return unit_of(p.x * scale, p.y * scale, std::cos(*angle));
    }
    default: {
      // (down, right) from the affine map [c d; e 1].
      const double determinant = k[0] - k[1] * k[2];
      if (!(std::abs(determinant) > 1e-9)) return std::nullopt;
      const double dv = pixel.v - lens.cy, du = pixel.u - lens.cx;
      const double down = (dv - k[1] * du) / determinant, right = (k[0] * du - k[2] * dv) / determinant;
      return unit_of(right, down, ocam_depth(k, std::hypot(right, down)));
    }
  }
}

}  // namespace bevgrad
