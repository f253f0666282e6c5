#include "evaluation/geojson.h"

#include <cmath>
#include <nlohmann/json.hpp>

namespace bevgrad {

std::string lanes_geojson(const std::vector<LaneVector>& lanes, const std::vector<std::string>& class_names,
                          const std::string& sample, const std::optional<Pose>& ego2map) {
  const auto millimetres = [](double v) { return std::round(v * 1000) / 1000; };
  nlohmann::ordered_json collection = {{"type", "FeatureCollection"},
                                       {"frame", ego2map ? "map" : "ego"},
                                       {"unit", "metre"},
                                       {"features", nlohmann::ordered_json::array()}};
  for (const LaneVector& lane : lanes) {
    auto coordinates = nlohmann::ordered_json::array();
    for (const Vec2 p : lane.points) {
      if (!ego2map) {
        coordinates.push_back({millimetres(p.x), millimetres(p.y)});
        continue;
      }
      const Vec3 world = ego2map->apply({p.x, p.y, 0});
      coordinates.push_back({millimetres(world.x), millimetres(world.y), millimetres(world.z)});
    }
    const auto id = static_cast<size_t>(lane.class_id);
    collection["features"].push_back(
        {{"type", "Feature"},
         {"geometry", {{"type", "LineString"}, {"coordinates", std::move(coordinates)}}},
         {"properties",
          {{"class", id < class_names.size() ? class_names[id] : std::to_string(lane.class_id)},
           {"score", lane.score},
           {"sample", sample},
           {"frame", ego2map ? "map" : "ego"}}}});
  }
  return collection.dump(1) + "\n";
}

}  // namespace bevgrad
