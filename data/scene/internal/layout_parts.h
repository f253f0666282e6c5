// The pieces that layouts are put together from.
#pragma once
#include <vector>

#include "data/scene/layout.h"

namespace bevgrad::scene {

/// A road's reference line with lines beside it: `at(s, d)` lies d metres to the left of arc length s.
class Ribbon {
 public:
  Ribbon() = default;
  /// Begins at `start` with `heading` and follows `curvature` (1/m, one value a metre).
  Ribbon(Vec2 start, double heading, const std::vector<double>& curvature);

  double length() const { return static_cast<double>(points_.size()) - 1; }
  Vec2 at(double s, double shift) const;
  double heading(double s) const;
  /// A line along the road from s0 to s1 (backwards where s1 < s0).
  std::vector<Vec2> line(double s0, double s1, double shift) const;
  /// A band between two shifts.
  std::vector<Vec2> band(double s0, double s1, double shift0, double shift1) const;

 private:
  std::vector<Vec2> points_;  // one a metre
  std::vector<double> headings_;
};

/// The boundary of a lane: what types it may take.
enum class BoundaryRole { Centre, Divider, Edge };

/// Random attributes of a mark of a type.
LaneMark style_mark(LaneType type, std::vector<Vec2> line, Random& random);

/// Marks along a boundary from s0 to s1 whose type, phase and presence change every few metres, so that what is hidden
/// cannot be told from what is seen.
void add_boundary(const Ribbon& ribbon, double s0, double s1, double shift, BoundaryRole role, Random& random,
                  Layout& layout);

/// A painted arrow, diamond or bar in a lane with its label and instance. It points along `heading`.
void add_ground_sign(Vec2 centre, double heading, Random& random, Layout& layout);

/// A striped bump whose long side lies along `angle`.
void add_speed_bump(Vec2 centre, double angle, double long_side, Random& random, Layout& layout);

/// A curb along a line: label and low boxes.
void add_curb(const std::vector<Vec2>& line, Layout& layout);
/// A wall along a line: label and boxes.
void add_wall(const std::vector<Vec2>& line, double height, Rgb colour, Random& random, Layout& layout);
/// A column with its instance and the actor that the dynamic task sees.
void add_column(Vec2 centre, double yaw, double size, double height, Layout& layout);

void add_crosswalk(Vec2 centre, double road_heading, double across, double along, Layout& layout);
void add_stopline(Vec2 from, Vec2 to, Layout& layout);

/// An actor of a type with a random size and colour.
Actor make_actor(ActorType type, Vec2 position, double yaw, Random& random);

void build_street(const LayoutOptions& options, Random random, Layout& layout);
void build_parking(const LayoutOptions& options, Random random, Layout& layout);
/// Seams, patches and tyre marks around the ego's path: things on the ground that are no marks.
void add_stains(Random random, Layout& layout);

}  // namespace bevgrad::scene
