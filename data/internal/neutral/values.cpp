#include "internal/neutral/values.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "base/error.h"
#include "geometry/lens_fit.h"
#include "internal/json_file.h"
#include "internal/neutral/json_schema.h"
#include "internal/poses.h"

namespace bevgrad {

using Json = nlohmann::json;

Pose neutral_pose(const Json& json, const std::string& where) {
  const bool has_matrix = json.contains("matrix");
  check(!has_matrix || json.size() == 1, "{} has a matrix and something else, expected one of them", where);
  Pose pose;
  if (has_matrix) {
    for (size_t i = 0; i < 16; ++i) pose.m[i] = json.at("matrix")[i / 4][i % 4];
  } else {
    double q[4], length = 0;
    for (size_t i = 0; i < 4; ++i) {
      q[i] = json.at("rotation")[i];
      length += q[i] * q[i];
    }
    check(std::abs(std::sqrt(length) - 1) < 1e-2, "{}.rotation is a quaternion of length {}, expected 1", where,
          std::sqrt(length));
    const Json& t = json.at("translation");
    pose = pose_from_quaternion(q[0], q[1], q[2], q[3], {t[0], t[1], t[2]});
  }
  check(pose.is_rigid(), "{} is not a rotation with a translation", where);
  return pose;
}

namespace {

/// Pixels that a refitted lens may be off anywhere in its picture.
constexpr double kMostPixels = 1;

double entry_or(const Json& json, const char* name, double otherwise) {
  return json.contains(name) ? json.at(name).get<double>() : otherwise;
}

void must_have(const Json& json, const char* name, bool wanted, const std::string& where) {
  check(json.contains(name) == wanted, "{} {} '{}', which a camera of the model '{}' {}", where,
        wanted ? "has no entry" : "has an entry", name, json.at("model").get_ref<const std::string&>(),
        wanted ? "needs" : "does not have");
}

Camera refitted(const Json& json, const std::string& where, std::string* remark) {
  const std::string& model = json.at("model").get_ref<const std::string&>();
  const bool in_pixels = model == "woodscape" || model == "ocam";
  must_have(json, "parameters", true, where);
  must_have(json, "distortion", false, where);
  must_have(json, "fov", false, where);
  if (!in_pixels)
    for (const char* name : {"fx", "fy"}) must_have(json, name, true, where);
  try {
    const LensFit fit = fit_lens({lens_model_named(model), json.at("width"), json.at("height"), entry_or(json, "fx", 1),
                                  entry_or(json, "fy", 1), json.at("cx"), json.at("cy"),
                                  json.at("parameters").get<std::vector<double>>()});
    check(fit.worst <= kMostPixels,
          "{}: the camera nearest to this lens is {:.2f} pixels off at ({:.0f}, {:.0f}), expected at most {}", where,
          fit.worst, fit.worst_at.u, fit.worst_at.v, kMostPixels);
    *remark = fmt::format("{}: '{}' became a {}, {:.3f} pixels off on average, {:.3f} at most", where, model,
                          name(fit.camera.kind), fit.mean, fit.worst);
    return fit.camera;
  } catch (const std::invalid_argument& error) {
    fail("{}: {}", where, error.what());
  }
}

Camera plain(const Json& json, const std::string& where) {
  Camera camera;
  const std::string& model = json.at("model").get_ref<const std::string&>();
  const bool is_fisheye = model == "fisheye", is_rational = model == "rational";
  camera.kind = is_fisheye ? CameraKind::Fisheye : is_rational ? CameraKind::Rational : CameraKind::Pinhole;
  for (const char* name : {"fx", "fy"}) must_have(json, name, true, where);
  must_have(json, "fov", is_fisheye, where);
  must_have(json, "parameters", is_rational, where);
  if (is_rational) must_have(json, "distortion", false, where);
  camera.width = json.at("width");
  camera.height = json.at("height");
  camera.fx = json.at("fx");
  camera.fy = json.at("fy");
  camera.cx = json.at("cx");
  camera.cy = json.at("cy");
  camera.fov = entry_or(json, "fov", 0);
  if (json.contains("distortion")) {
    const Json& terms = json.at("distortion");
    const size_t most = is_fisheye ? 4 : 5;
    check(terms.size() <= most, "{}.distortion has {} numbers, expected at most {}", where, terms.size(), most);
    std::copy(terms.begin(), terms.end(), camera.distortion.begin());
  }
  if (is_rational) {
    const Json& terms = json.at("parameters");
    check(terms.size() == 8, "{}.parameters has {} numbers, expected 8: k1, k2, p1, p2, k3, k4, k5, k6", where,
          terms.size());
    std::copy_n(terms.begin(), 5, camera.distortion.begin());
    std::copy_n(terms.begin() + 5, 3, camera.denominator.begin());
  }
  return camera;
}

}  // namespace

Camera neutral_camera(const Json& json, const std::string& where, std::string* remark) {
  const std::string& model = json.at("model").get_ref<const std::string&>();
  Camera camera = model == "pinhole" || model == "fisheye" || model == "rational" ? plain(json, where)
                                                                                  : refitted(json, where, remark);
  camera.sensor2ego = neutral_pose(json.at("sensor2ego"), where + ".sensor2ego");
  if (json.contains("ego_mask"))
    for (const Json& polygon : json.at("ego_mask")) {
      std::vector<Vec2>& corners = camera.ego_mask.emplace_back();
      for (const Json& corner : polygon) corners.push_back({corner[0], corner[1]});
    }
  return camera;
}

namespace {

std::vector<Vec3> map_points(const Json& list, bool& has_height) {
  std::vector<Vec3> points;
  for (const Json& p : list) {
    has_height = has_height && p.size() == 3;
    points.push_back({p[0], p[1], p.size() == 3 ? p[2].get<double>() : 0});
  }
  return points;
}

}  // namespace

NeutralMap read_neutral_map(const std::string& path) {
  const Json json = read_json_file(path);
  map_schema().check(json, path);
  NeutralMap out;
  std::vector<std::string>& kinds = out.kinds;
  if (json.contains("kinds")) kinds = json.at("kinds").get<std::vector<std::string>>();
  const Json& features = json.at("features");
  for (size_t i = 0; i < features.size(); ++i) {
    const Json& feature = features[i];
    const MapKind& kind = map_kind(feature.at("kind"));
    const std::string where = fmt::format("{}: features[{}]", path, i);
    if (std::find(kinds.begin(), kinds.end(), kind.kind) == kinds.end()) {
      check(!json.contains("kinds"), "{} is of the kind '{}', which 'kinds' does not name", where, kind.kind);
      kinds.push_back(kind.kind);
    }
    const bool has_holes = feature.contains("holes");
    check(!has_holes || kind.is_area, "{} has holes, which a '{}' cannot have: it is a line", where, kind.kind);
    MapFeature made{.kind = kind.kind, .closed = kind.is_area};
    made.points = map_points(feature.at("points"), made.has_height);
    check(!kind.is_area || made.points.size() >= 3, "{}.points has {} entries, expected at least 3 of an area", where,
          made.points.size());
    std::vector<std::vector<Vec3>> holes;
    if (has_holes)
      for (const Json& hole : feature.at("holes")) holes.push_back(map_points(hole, made.has_height));
    made.points = outline_with_holes(std::move(made.points), holes);
    made.color = feature.value("color", "");
    made.width = feature.value("width", 0.0);
    out.map.features.push_back(std::move(made));
  }
  return out;
}

}  // namespace bevgrad
