// A place's map as vectors, in a form of its own that other formats are read into, and the labels of a frame in it.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "data/label_schema.h"
#include "data/sample.h"
#include "geometry/pose.h"

namespace bevgrad {

/// Which kind of label a feature of a map becomes.
enum class MapLayer { Lane, Road };

/// A lane mark, an edge or an area in the map's frame: z up, metres.
struct MapFeature {
  std::string kind;  ///< the neutral name, see map_kinds()
  bool closed = false;
  std::vector<Vec3> points = {};
  std::string color = {};  ///< of a mark: white, yellow, blue, red, other; empty where it is not known
  double width = 0;        ///< of a mark, metres; 0: not known
  bool has_height = true;  ///< false: z is not known, and the feature lies on the ground where the vehicle is
};

/// An area with holes as one outline: by the even-odd rule the ways to the holes and back cancel out.
std::vector<Vec3> outline_with_holes(std::vector<Vec3> outline, const std::vector<std::vector<Vec3>>& holes);

struct VectorMap {
  std::vector<MapFeature> features;
};

/// A kind of feature and the label class that it becomes where nobody says otherwise.
struct MapKind {
  std::string kind;
  MapLayer layer;
  std::string label_class;
  bool is_area = false;
};

/// Lane marks: solid, double_solid, dashed, double_dashed, solid_left_dashed_right, dashed_left_solid_right, and
/// divider (between lanes, nobody says how it is painted), which has no class of its own. Areas and edges: crosswalk,
/// stop_line, drivable (an area), boundary (its edge), walkway.
const std::vector<MapKind>& map_kinds();
/// Throws for a kind that does not exist.
const MapKind& map_kind(const std::string& kind);

/// Label classes by kind, or by kind and colour ("solid/yellow"), which goes first; an empty class leaves the kind out.
using MapClasses = std::map<std::string, std::string>;

/// The kinds' own classes with those of `changes` laid over. Throws UsageError for a kind or colour that does not
/// exist.
MapClasses map_classes(const MapClasses& changes);

/// Names of the classes that features of a layer can have in a map that tells these `kinds`, each once. What a map does
/// not tell is not labelled, which differs from "there is none".
std::vector<std::string> map_class_names(const MapClasses& classes, MapLayer layer,
                                         const std::vector<std::string>& kinds);

/// The labels of a map around a frame.
class MapLabeller {
 public:
  /// `map` must live as long as this.
  MapLabeller(const VectorMap& map, const MapClasses& classes);

  /// Shapes within `grid` in the ego frame at `ego2map`, which lies on the ground. Features more than 4 m above or
  /// below the ground there belong to another level and are left out. Class numbers are those of `schema`.
  void label(const Pose& ego2map, const LabelSchema& schema, Labels* labels) const;

 private:
  struct Placed {
    const MapFeature* feature;
    MapLayer layer;
    std::string label_class;
    Vec2 low, high;  // its bounds in the map
  };
  std::vector<Placed> features_;
};

}  // namespace bevgrad
