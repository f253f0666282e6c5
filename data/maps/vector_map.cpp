#include "data/maps/vector_map.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/near_names.h"
#include "data/clip_shapes.h"

namespace bevgrad {

namespace {

/// Metres above or below the vehicle from which on a feature belongs to a bridge or a tunnel.
constexpr double kOtherLevel = 4;

/// By kind and colour, or by kind alone.
const std::string& label_class_of(const MapFeature& feature, const MapClasses& classes) {
  if (!feature.color.empty())
    if (const auto own = classes.find(feature.kind + "/" + feature.color); own != classes.end()) return own->second;
  return classes.at(feature.kind);
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
                                             {"divider", MapLayer::Lane, ""},
                                             {"crosswalk", MapLayer::Road, "Crosswalk", true},
                                             {"stop_line", MapLayer::Road, "Stopline"},
                                             {"drivable", MapLayer::Road, "Freespace", true},
                                             {"boundary", MapLayer::Road, "Boundary"},
                                             {"walkway", MapLayer::Road, "Walkway", true}};
  return kinds;
}

const MapKind& map_kind(const std::string& kind) {
  for (const MapKind& known : map_kinds())
    if (known.kind == kind) return known;
  fail("map: a feature of the kind '{}', which does not exist", kind);
}

std::vector<Vec3> outline_with_holes(std::vector<Vec3> outline, const std::vector<std::vector<Vec3>>& holes) {
  if (holes.empty() || outline.empty()) return outline;
  const Vec3 start = outline.front();
  outline.push_back(start);
  for (const std::vector<Vec3>& hole : holes) {
    if (hole.size() < 3) continue;
    outline.insert(outline.end(), hole.begin(), hole.end());
    outline.push_back(hole.front());
    outline.push_back(start);
  }
  return outline;
}

MapClasses map_classes(const MapClasses& changes) {
  MapClasses classes;
  std::vector<std::string> names;
  for (const MapKind& kind : map_kinds()) {
    classes[kind.kind] = kind.label_class;
    names.push_back(kind.kind);
  }
  static const std::vector<std::string> colors = {"white", "yellow", "blue", "red", "other"};
  for (const auto& [place, label_class] : changes) {
    const size_t slash = place.find('/');
    const std::string kind = place.substr(0, slash), color = slash == std::string::npos ? "" : place.substr(slash + 1);
    if (!classes.contains(kind))
      throw UsageError(fmt::format("map class: there is no kind \"{}\"{}", kind, did_you_mean(kind, names)));
    if (slash != std::string::npos && number_of(color, colors) < 0)
      throw UsageError(fmt::format("map class: there is no colour \"{}\"{}", color, did_you_mean(color, colors)));
    classes[place] = label_class;
  }
  return classes;
}

std::vector<std::string> map_class_names(const MapClasses& classes, MapLayer layer,
                                         const std::vector<std::string>& kinds) {
  std::vector<std::string> names;
  for (const MapKind& kind : map_kinds()) {
    if (kind.layer != layer || number_of(kind.kind, kinds) < 0) continue;
    // The kind's own class and those of its colours.
    for (auto at = classes.lower_bound(kind.kind); at != classes.end(); ++at)
      if ((at->first == kind.kind || at->first.starts_with(kind.kind + "/")) && !at->second.empty() &&
          number_of(at->second, names) < 0)
        names.push_back(at->second);
  }
  return names;
}

MapLabeller::MapLabeller(const VectorMap& map, const MapClasses& classes) {
  for (const MapFeature& feature : map.features) {
    const MapKind& kind = map_kind(feature.kind);
    const std::string& label_class = label_class_of(feature, classes);
    if (label_class.empty() || feature.points.empty()) continue;
    Placed placed{&feature, kind.layer, label_class, {1e300, 1e300}, {-1e300, -1e300}};
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
    shape.width = placed.feature->width;
    if (is_lane) set_attribute(schema.lane_attributes, "color", placed.feature->color, &shape.attributes);
    if (shape.class_id < 0) continue;
    double nearest = 1e300, height = 0;
    for (const Vec3& p : placed.feature->points) {
      const Vec3 local = map2ego.apply(placed.feature->has_height ? p : Vec3{p.x, p.y, at.z});
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
