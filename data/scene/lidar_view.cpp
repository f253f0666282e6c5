#include "data/scene/lidar_view.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace bevgrad::scene {

namespace {

bool is_road_element(Material material) {
  return material == Material::Wall || material == Material::Curb || material == Material::Column;
}

}  // namespace

LidarView::LidarView(const LidarOptions& options) : options_(options) {
  constexpr double pi = std::numbers::pi;
  std::vector<double> elevations;
  const int rings = std::max(1, options.beams * 3 / 4), upper = options.beams - rings;
  for (int i = 0; i < rings; ++i) {
    const double radius = 3 * std::pow(70.0 / 3, rings > 1 ? static_cast<double>(i) / (rings - 1) : 0);
    elevations.push_back(-std::atan2(options.position.z, radius));
  }
  for (int i = 0; i < upper; ++i) elevations.push_back((-1.2 + 9.2 * (i + 1) / upper) * pi / 180);
  const int azimuths = std::max(1, options.points / std::max(1, options.beams));
  for (int a = 0; a < azimuths; ++a) {
    const double azimuth = 2 * pi * (a + 0.5) / azimuths - pi;
    for (double e : elevations) {
      rays_.push_back({static_cast<float>(std::cos(e) * std::cos(azimuth)),
                       static_cast<float>(std::cos(e) * std::sin(azimuth)), static_cast<float>(std::sin(e))});
      bins_.push_back(static_cast<int16_t>(SensorView::bin(std::cos(azimuth), std::sin(azimuth))));
    }
  }
}

LidarScan LidarView::scan(const Surroundings& world, const SensorView& view, size_t actors, Random random) const {
  LidarScan result;
  result.hits.assign(actors, 0);
  result.points.reserve(rays_.size() * 4);
  const Direction o = {static_cast<float>(options_.position.x), static_cast<float>(options_.position.y),
                       static_cast<float>(options_.position.z)};
  const auto range = static_cast<float>(options_.range);
  const int ego = static_cast<int>(world.boxes.size()) - 1;
  for (size_t i = 0; i < rays_.size(); ++i) {
    const Direction& d = rays_[i];
    float limit = range;
    bool flat = false;
    if (d.z < 0 && o.z / -d.z < limit) {
      limit = o.z / -d.z;
      flat = true;
    }
    bool overhead = false;
    if (world.ceiling > 0 && d.z > 0 && (world.ceiling - o.z) / d.z < limit) {
      limit = (world.ceiling - o.z) / d.z;
      overhead = true;
    }
    const Hit hit = view.cast(d, bins_[i], limit);
    if (hit.box == ego || (hit.box < 0 && !flat && !overhead)) continue;
    const float x = o.x + d.x * hit.t, y = o.y + d.y * hit.t, z = o.z + d.z * hit.t;
    float reflectivity = 0.3f, cosine = std::abs(d.z);
    if (hit.box >= 0) {
      const CastBox& box = world.boxes[static_cast<size_t>(hit.box)];
      const float dx = x - box.x, dy = y - box.y;
      const Spot spot = {box.cosine * dx + box.sine * dy, -box.sine * dx + box.cosine * dy, z, hit.axis, hit.positive};
      reflectivity = appearance(world.solids[static_cast<size_t>(hit.box)], spot, false).reflectivity;
      if (hit.axis == 0) cosine = std::abs(d.x * box.cosine + d.y * box.sine);
      if (hit.axis == 1) cosine = std::abs(-d.x * box.sine + d.y * box.cosine);
    } else if (flat) {
      reflectivity =
          static_cast<float>(world.ground->at(world.raster_x(x, y), world.raster_y(x, y), 0).reflectivity) / 255;
      if (reflectivity > 0.5f) cosine = std::cbrt(cosine);
    }
    const float intensity = reflectivity * cosine;
    const bool wet_loss = flat && hit.box < 0 && world.light.wetness > 0;
    const double lost = options_.drop_out + 0.25 * std::max(0.0, 0.02 - static_cast<double>(intensity)) / 0.02 +
                        (wet_loss ? 0.15 * world.light.wetness : 0);
    const double chance = random.uniform(), spread = random.normal();
    if (chance < lost) continue;
    const float t = hit.t + static_cast<float>(options_.range_noise * spread);
    result.points.insert(result.points.end(),
                         {o.x + d.x * t, o.y + d.y * t, o.z + d.z * t, std::clamp(intensity, 0.0f, 1.0f)});
    if (hit.box >= 0 && world.actors[static_cast<size_t>(hit.box)] >= 0)
      ++result.hits[static_cast<size_t>(world.actors[static_cast<size_t>(hit.box)])];
    if (hit.box < 0 ? flat : is_road_element(world.solids[static_cast<size_t>(hit.box)].material))
      result.static_returns.push_back({x, y});
  }
  return result;
}

}  // namespace bevgrad::scene
