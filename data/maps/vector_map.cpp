#include "data/maps/vector_map.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/near_names.h"
#include "internal/clip_shapes.h"

namespace bevgrad {

namespace {

/// Metres above or below the vehicle from which on a feature belongs to a bridge or a tunnel.
constexpr double kOtherLevel = 4;

const MapKind* find_kind(const std::string& kind) {
  for (const MapKind& known : map_kinds())
    if (known.kind == kind) return &known;
  return nullptr;
}

int number_of(const std::string& name, const std::vector<std::string>& names) {
  const auto at = std::find(names.begin(), names.end(), name);
  return at == names.end() ? -1 : static_cast<int>(at - names.begin());
}

}  // namespace

const std::vector<MapKind>& map_kinds() {
  static const std::vector<MapKind> kinds = {{"solid", MapLayer::Lane, "SolidLine"},
                                             {"double_solid", MapLayer::Lane, "DoubleSolidLine"},
                                             {"dashed", MapLayer::Lane, "DashedLine"},
                                             {"double_dashed", MapLayer::Lane, "DoubleDashedLine"},
                                             {"dashed_left_solid_right", MapLayer::Lane, "RightSolidLeftDashed"},
                                             {"solid_left_dashed_right", MapLayer::Lane, "LeftSolidRightDashed"},
                                             {"crosswalk", MapLayer::Road, "Crosswalk"},
                                             {"stop_line", MapLayer::Road, "Stopline"},
                                             {"drivable", MapLayer::Road, "Freespace"},
                                             {"boundary", MapLayer::Road, "Boundary"},
                                             {"walkway", MapLayer::Road, "Walkway"}};
  return kinds;
}

MapClasses map_classes(const MapClasses& changes) {
  MapClasses classes;
  std::vector<std::string> names;
  for (const MapKind& kind : map_kinds()) {
    classes[kind.kind] = kind.label_class;
    names.push_back(kind.kind);
  }
  for (const auto& [kind, label_class] : changes) {
    if (!classes.contains(kind))
      throw UsageError(fmt::format("map class: there is no kind \"{}\"{}", kind, did_you_mean(kind, names)));
    classes[kind] = label_class;
  }
  return classes;
}

std::vector<std::string> map_class_names(const MapClasses& classes, MapLayer layer,
                                         const std::vector<std::string>& kinds) {
  std::vector<std::string> names;
  for (const MapKind& kind : map_kinds()) {
    const std::string& name = classes.at(kind.kind);
    if (kind.layer == layer && !name.empty() && number_of(kind.kind, kinds) >= 0 && number_of(name, names) < 0)
      names.push_back(name);
  }
  return names;
}

MapLabeller::MapLabeller(const VectorMap& map, MapClasses classes) {
  for (const MapFeature& feature : map.features) {
    const MapKind* kind = find_kind(feature.kind);
    check(kind != nullptr, "map: a feature of the kind '{}', which does not exist", feature.kind);
    const std::string& label_class = classes.at(feature.kind);
    if (label_class.empty() || feature.points.empty()) continue;
    Placed placed{&feature, kind->layer, label_class, {1e300, 1e300}, {-1e300, -1e300}};
    for (const Vec3& p : feature.points) {
      placed.low = {std::min(placed.low.x, p.x), std::min(placed.low.y, p.y)};
      placed.high = {std::max(placed.high.x, p.x), std::max(placed.high.y, p.y)};
    }
    features_.push_back(std::move(placed));
  }
}

void MapLabeller::label(const Pose& ego2map, const LabelSchema& schema, Labels* labels) const {
  const GroundBounds bounds = bounds_of(schema.grid);
  const Pose map2ego = ego2map.inverse();
  const Vec3 at = ego2map.translation();
  const double reach = std::max(norm(bounds.low), norm(bounds.high)) + 1;
  for (const Placed& placed : features_) {
    if (placed.low.x > at.x + reach || placed.high.x < at.x - reach || placed.low.y > at.y + reach ||
        placed.high.y < at.y - reach)
      continue;
    const bool is_lane = placed.layer == MapLayer::Lane;
    LabelShape shape;
    shape.class_id = number_of(placed.label_class, is_lane ? schema.lane_classes : schema.road_classes);
    shape.closed = placed.feature->closed;
    if (shape.class_id < 0) continue;
    double nearest = 1e300, height = 0;
    for (const Vec3& p : placed.feature->points) {
      const Vec3 local = map2ego.apply(p);
      shape.points.push_back({local.x, local.y});
      if (std::hypot(local.x, local.y) < nearest) {
        nearest = std::hypot(local.x, local.y);
        height = local.z;
      }
    }
    // A street that rises by a tenth is no other level.
    if (std::abs(height) > kOtherLevel + 0.1 * nearest) continue;
    clip_shape(shape, bounds, is_lane ? labels->lane_shapes : labels->road_shapes);
  }
}

}  // namespace bevgrad
