#include "data/scene/surroundings.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "geometry/polygon.h"

namespace bevgrad::scene {

ShadowMap::ShadowMap() : light_(static_cast<size_t>(kRows) * kColumns, 255) {}

void ShadowMap::darken(const std::vector<Vec2>& polygon, float strength) {
  double low = 1e9, high = -1e9;
  for (Vec2 p : polygon) {
    low = std::min(low, p.y);
    high = std::max(high, p.y);
  }
  const int first = std::max(0, static_cast<int>((low + kSide) / kCell)),
            last = std::min(kRows - 1, static_cast<int>((high + kSide) / kCell));
  for (int row = first; row <= last; ++row) {
    const double y = (row + 0.5) * kCell - kSide;
    double from = 1e9, to = -1e9;  // the polygon is convex: one stretch a row
    for (size_t i = 0, j = polygon.size() - 1; i < polygon.size(); j = i++) {
      const Vec2 a = polygon[j], b = polygon[i];
      if ((a.y > y) == (b.y > y)) continue;
      const double x = a.x + (y - a.y) / (b.y - a.y) * (b.x - a.x);
      from = std::min(from, x);
      to = std::max(to, x);
    }
    const int begin = std::max(0, static_cast<int>(std::ceil((from + kBack) / kCell - 0.5))),
              end = std::min(kColumns - 1, static_cast<int>(std::floor((to + kBack) / kCell - 0.5)));
    const auto left = static_cast<uint8_t>(255 * (1 - strength));
    for (int column = begin; column <= end; ++column) {
      uint8_t& cell = light_[static_cast<size_t>(row * kColumns + column)];
      cell = std::min(cell, left);
    }
  }
}

namespace {

std::array<Vec2, 4> ground_corners(const CastBox& b, float grow) {
  const Vec2 along = {b.cosine, b.sine}, across = {-b.sine, b.cosine}, centre = {b.x, b.y};
  const double l = b.half_length + grow, w = b.half_width + grow;
  return {centre + along * l + across * w, centre - along * l + across * w, centre - along * l - across * w,
          centre + along * l - across * w};
}

/// Monotone chain.
std::vector<Vec2> convex_hull(std::vector<Vec2> points) {
  std::sort(points.begin(), points.end(), [](Vec2 a, Vec2 b) { return a.x != b.x ? a.x < b.x : a.y < b.y; });
  std::vector<Vec2> hull;
  for (int pass = 0; pass < 2; ++pass) {
    const size_t base = hull.size();
    for (Vec2 p : points) {
      while (hull.size() >= base + 2 && cross(hull[hull.size() - 1] - hull[hull.size() - 2], p - hull.back()) <= 0)
        hull.pop_back();
      hull.push_back(p);
    }
    hull.pop_back();
    std::reverse(points.begin(), points.end());
  }
  return hull;
}

}  // namespace

void ShadowMap::cast(const CastBox& box, const Direction& sun, float strength) {
  if (!(sun.z > 0.05f)) return;
  std::vector<Vec2> points;
  for (float z : {box.z0, box.z1})
    for (Vec2 p : ground_corners(box, 0)) points.push_back(p - Vec2{sun.x, sun.y} * (z / sun.z));
  darken(convex_hull(std::move(points)), strength);
}

void ShadowMap::cast_contact(const CastBox& box, float strength) {
  const auto corner = ground_corners(box, 0.12f);
  darken({corner.begin(), corner.end()}, strength);
}

Surroundings look_around(const Layout& layout, const Drive& drive, const DriveFrame& frame, const GroundRaster& ground,
                         const Lighting& light) {
  Surroundings s;
  s.ground = &ground;
  s.light = light;
  s.ceiling = layout.indoor ? kCeiling : 0;
  const Vec3 place = frame.true_pose.translation();
  const double yaw = frame.true_pose.yaw(), c = std::cos(yaw), sn = std::sin(yaw);
  s.cosine = static_cast<float>(c);
  s.sine = static_cast<float>(sn);
  s.tx = static_cast<float>(place.x - ground.origin().x);
  s.ty = static_cast<float>(place.y - ground.origin().y);

  for (const Solid& solid : layout.solids) {
    const double reach = std::max(solid.footprint.w, solid.footprint.h) / 2;
    if (norm(Vec2{solid.footprint.x - place.x, solid.footprint.y - place.y}) - reach < kSightRange) {
      s.solids.push_back(solid);
      s.actors.push_back(-1);
    }
  }
  for (size_t i = 0; i < drive.actors.size(); ++i) {
    const ActorState& state = frame.actors[i];
    if (!state.present || norm(state.position - Vec2{place.x, place.y}) > kSightRange) continue;
    append_body(drive.actors[i], state, s.solids);
    s.actors.resize(s.solids.size(), static_cast<int>(i));
  }
  for (Solid& solid : s.solids) {
    const Vec2 d = Vec2{solid.footprint.x - place.x, solid.footprint.y - place.y};
    solid.footprint.x = c * d.x + sn * d.y;
    solid.footprint.y = -sn * d.x + c * d.y;
    solid.footprint.angle -= yaw;
  }
  s.solids.push_back(ego_body());
  s.actors.push_back(-1);

  for (const Solid& solid : s.solids) {
    const RotatedBox& f = solid.footprint;
    const CastBox box = {static_cast<float>(f.x),
                         static_cast<float>(f.y),
                         static_cast<float>(std::cos(f.angle)),
                         static_cast<float>(std::sin(f.angle)),
                         static_cast<float>(f.w / 2),
                         static_cast<float>(f.h / 2),
                         static_cast<float>(solid.z0),
                         static_cast<float>(solid.z1)};
    s.boxes.push_back(box);
    if (solid.material == Material::Curb) continue;
    if (!light.night && !light.indoor) s.shadows.cast(box, light.sun, light.sun_strength * 0.75f);
    if (box.z0 < 0.3f) s.shadows.cast_contact(box, 0.45f);
  }
  return s;
}

}  // namespace bevgrad::scene
