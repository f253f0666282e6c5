// A place: what is painted, built and parked there, and where vehicles drive. World frame, metres, ground at z = 0.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "data/scene/random.h"
#include "geometry/rotated_box.h"
#include "geometry/vector.h"

namespace bevgrad::scene {

/// Red, green, blue in 0..255.
struct Rgb {
  float r = 0, g = 0, b = 0;

  Rgb operator+(Rgb o) const { return {r + o.r, g + o.g, b + o.b}; }
  Rgb operator*(float s) const { return {r * s, g * s, b * s}; }
};

enum class LaneType {
  SolidLine,
  DoubleSolidLine,
  DashedLine,
  DoubleDashedLine,
  RightSolidLeftDashed,
  LeftSolidRightDashed,
  WideSolidLine,
  WideDashedLine,
  ShortDashedLine,
};
inline constexpr int kLaneTypes = 9;

enum class RoadType { Wall, Curb, SpeedBump, GroundSigns, Freespace, Stopline, Crosswalk };
inline constexpr int kRoadTypes = 7;

enum class InstanceType { SpeedBump, GroundSign, ParkingSlot, Column };
inline constexpr int kInstanceTypes = 4;

enum class ActorType { Car, Truck, Bus, Person, NonMotor, RiderlessNonMotor, Barrier, Pillar };
inline constexpr int kActorTypes = 8;

/// The names that LabelSchema's classes are matched by.
const char* name(LaneType type);
const char* name(RoadType type);
const char* name(InstanceType type);
const char* name(ActorType type);

/// A lane mark as it is planned: the middle line and how it is painted. Left and right are seen along the line.
struct LaneMark {
  LaneType type = LaneType::SolidLine;
  std::vector<Vec2> line;
  Rgb colour = {225, 225, 220};
  double stripe = 0.15;      ///< width of one stripe
  double spacing = 0.15;     ///< between the two stripes of a double line
  double dash = 0, gap = 0;  ///< lengths, for the dashed types
  double phase = 0;          ///< where in a dash the line begins
  double wear = 0;           ///< share of the paint that is gone
};

/// Painted or labelled: a stripe around a middle line.
struct Stripe {
  std::vector<Vec2> line;
  double width = 0;
};

/// The stripes that lie on the ground.
std::vector<Stripe> painted_stripes(const LaneMark& mark);
/// The pieces that the label consists of: the whole line for types with a solid stripe, one piece a dash for the others
/// (or the whole line where `bridge_gaps`). Widths cover both stripes of a double line.
std::vector<Stripe> labelled_pieces(const LaneMark& mark, bool bridge_gaps);

/// A road element's label: a polyline of some width, or a polygon.
struct RoadElement {
  RoadType type = RoadType::Wall;
  bool closed = false;
  double width = 0;
  std::vector<Vec2> points;
};

/// Something flat on the ground. `reflectivity` is the LiDAR's albedo.
struct Paint {
  std::vector<Vec2> polygon;
  Rgb colour;
  float reflectivity = 0.8f;
  float wear = 0;
};

enum class Surface { Asphalt, Concrete, Pavers, Grass };
struct SurfaceArea {
  std::vector<Vec2> polygon;
  Surface surface = Surface::Asphalt;
  float shade = 1;
};

struct StaticInstance {
  InstanceType type = InstanceType::Column;
  RotatedBox box;
};

enum class Material {
  Wall,
  Building,
  Curb,
  Column,
  Foliage,
  Trunk,
  Paintwork,
  Cabin,
  Coach,
  Cargo,
  Clothes,
  Head,
  Cycle,
  Striped,
  Door,
  Ego
};

/// Bits of what a body's lamps show. Without kLampsShown they say nothing, and all of them look alike.
enum Lamps : uint8_t { kLampsShown = 1, kBrakeLamps = 2, kLeftLamps = 4, kRightLamps = 8 };

/// An upright box: everything that hides the ground is made of these.
struct Solid {
  RotatedBox footprint;
  double z0 = 0, z1 = 1;
  Material material = Material::Wall;
  Rgb colour = {150, 150, 150};
  uint32_t seed = 0;
  /// Stands for good and is itself a road element, so that seeing it is seeing its cell.
  bool is_static = true;
  uint8_t lamps = 0;  ///< of enum Lamps
};

/// How an actor moves along its path. Standing ones have an empty path.
struct Motion {
  std::vector<Vec2> path;
  double start = 0;  ///< arc length at time 0
  double speed = 0;  ///< m/s; relative to the ego's where `follows_ego`
  bool follows_ego = false;
};

/// Something of a dynamic class: standing or moving.
struct Actor {
  ActorType type = ActorType::Car;
  double length = 4.5, width = 1.8, height = 1.5;
  Vec2 position;
  double yaw = 0;
  Rgb colour;
  uint32_t seed = 0;
  Motion motion;
};

enum class LayoutKind { Street, Parking };
const char* name(LayoutKind kind);

struct Layout {
  LayoutKind kind = LayoutKind::Street;
  bool indoor = false;
  bool night = false;
  double wetness = 0;
  Surface base = Surface::Pavers;
  std::vector<SurfaceArea> surfaces;  ///< later ones cover earlier ones
  std::vector<Paint> stains;          ///< seams, patches, tyre marks: under the paint
  std::vector<Paint> paints;
  std::vector<LaneMark> lane_marks;
  std::vector<RoadElement> elements;
  std::vector<StaticInstance> instances;
  std::vector<Solid> solids;
  std::vector<Actor> actors;
  std::vector<Vec2> ego_path;
  double ego_start = 0;  ///< arc length on ego_path at time 0
  double ego_speed = 6;  ///< m/s that the driver is at ease with
};

/// What a layout is made after.
struct LayoutOptions {
  double night = 0.25;       ///< probability
  double parking = 0.5;      ///< probability; the rest are streets
  double occluders = 0.6;    ///< how full the place is of vehicles, 0..1
  double drive_length = 45;  ///< metres of ego_path that the drive may use after ego_start
};

/// The place that a seed stands for.
Layout make_layout(const LayoutOptions& options, uint64_t layout_seed);

}  // namespace bevgrad::scene
