// Lane vectors as GeoJSON (RFC 7946), for maps and other people's tools.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "evaluation/lane_vectors.h"
#include "geometry/pose.h"

namespace bevgrad {

/// A FeatureCollection of LineStrings with the properties class, score, sample and frame. Coordinates are metres, not
/// degrees: in the ego frame (x forward, y left), or with `ego2map` in the map's frame (x, y, z).
std::string lanes_geojson(const std::vector<LaneVector>& lanes, const std::vector<std::string>& class_names,
                          const std::string& sample, const std::optional<Pose>& ego2map = {});

}  // namespace bevgrad
