// Streets: a winding road of one or two directions with lanes, curbs, side roads and driveways.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "scene/internal/layout_parts.h"
#include "scene/internal/street.h"

namespace bevgrad::scene {

namespace {

using std::numbers::pi;

class StreetBuilder {
 public:
  StreetBuilder(const LayoutOptions& options, Random random, Layout& layout)
      : options_(options), random_(random), layout_(layout) {}

  void build() {
    plan();
    for (StreetSide& side : street_.sides) plan_openings(side);
    lay_surfaces();
    draw_lanes();
    for (const StreetSide& side : street_.sides) build_edge(side);
    populate_street(options_, street_, random_.fork(1), layout_);
  }

 private:
  void plan() {
    street_.start = random_.uniform(36, 44);
    street_.total = street_.start + options_.drive_length + 74;
    std::vector<double> curvature;
    double heading = 0, k = 0;
    while (static_cast<double>(curvature.size()) < street_.total) {
      const int steps = random_.integer(14, 34);
      const double target =
          random_.chance(0.35) ? 0 : std::clamp(random_.uniform(-0.045, 0.045) - 0.03 * heading, -0.045, 0.045);
      for (int i = 0; i < steps; ++i) {
        k += std::clamp(target - k, -0.005, 0.005);
        curvature.push_back(k);
        heading += k;
      }
    }
    street_.road =
        Ribbon({random_.uniform(-500, 500), random_.uniform(-500, 500)}, random_.uniform(-pi, pi), curvature);
    street_.total = street_.road.length();
    street_.lane_width = random_.uniform(3.0, 3.5);
    const int forward = random_.chance(0.2) ? 1 : random_.integer(2, 3);
    const int backward = random_.chance(0.1) ? 0 : random_.integer(1, 2);
    for (int i = 0; i < 2; ++i) {
      StreetSide& side = street_.sides[i];
      side.sign = i == 0 ? -1 : 1;
      side.lanes = i == 0 ? forward : backward;
      side.edge = side.lanes * street_.lane_width;
      side.has_slots = random_.chance(0.6);
      side.curb = side.edge + (side.has_slots ? random_.uniform(2.3, 2.6) : random_.uniform(0.3, 0.8));
      side.sidewalk = random_.uniform(2, 4.5);
    }
    street_.ego_lane = random_.integer(0, forward - 1);
    const double shift = -(street_.ego_lane + 0.5) * street_.lane_width;
    const bool changes = forward > 1 && random_.chance(0.3);
    const double target = changes ? shift + (street_.ego_lane > 0 ? street_.lane_width : -street_.lane_width) : shift;
    const double from = street_.start + random_.uniform(3, 18), sway = random_.uniform(0, 0.25),
                 phase = random_.uniform(0, 6);
    for (double s = 0; s <= street_.total; s += 1) {
      const double t = std::clamp((s - from) / 18, 0.0, 1.0);
      const double at = shift + (target - shift) * t * t * (3 - 2 * t) + sway * std::sin(s / 9 + phase);
      layout_.ego_path.push_back(street_.road.at(s, at));
    }
    layout_.ego_start = street_.start;
    layout_.ego_speed = random_.uniform(5, 8.3);
    layout_.base = random_.chance(0.5) ? Surface::Pavers : Surface::Grass;
  }

  /// One junction and some driveways.
  void plan_openings(StreetSide& side) {
    if (random_.chance(0.6)) {
      if (street_.junction == 0) street_.junction = street_.start + random_.uniform(14, options_.drive_length + 15);
      const double half = random_.uniform(3.2, 4.5), radius = random_.uniform(3, 6);
      side.openings.push_back({street_.junction - half - radius, street_.junction + half + radius});
      side_roads_.push_back({&side, half, radius});
    }
    for (int i = random_.integer(0, 3); i > 0; --i) {
      const double from = random_.uniform(15, street_.total - 15), width = random_.uniform(4, 6.5);
      if (side.is_open(from - 2, from + width + 2)) continue;
      side.openings.push_back({from, from + width});
      driveways_.push_back({&side, from, from + width});
    }
    std::sort(side.openings.begin(), side.openings.end(), [](auto a, auto b) { return a.from < b.from; });
  }

  void surface(std::vector<Vec2> polygon, Surface kind, float shade = 1) {
    layout_.surfaces.push_back({std::move(polygon), kind, shade});
  }

  void lay_surfaces() {
    const StreetSide &right = street_.sides[0], &left = street_.sides[1];
    for (double s = 0; s < street_.total; s += 10) {
      const double end = std::min(street_.total, s + 10);
      surface(street_.road.band(s, end, -right.curb - right.sidewalk, left.curb + left.sidewalk), Surface::Pavers);
    }
    for (double s = 0; s < street_.total; s += 10) {
      const double end = std::min(street_.total, s + 10);
      std::vector<Vec2> band = street_.road.band(s, end, -right.curb, left.curb);
      layout_.elements.push_back({RoadType::Freespace, true, 0, band});
      surface(std::move(band), Surface::Asphalt);
    }
    for (const Driveway& d : driveways_) {
      const double near = d.side->sign * d.side->curb, far = d.side->sign * (d.side->curb + d.side->sidewalk + 9);
      surface(street_.road.band(d.from, d.to, near, far), Surface::Concrete, 0.9f);
      if (random_.chance(0.5)) {
        const double middle = (d.from + d.to) / 2;
        add_speed_bump(street_.road.at(middle, d.side->sign * (d.side->curb + 0.8)), street_.road.heading(middle),
                       d.to - d.from - 0.4, random_, layout_);
      }
    }
    for (const SideRoad& r : side_roads_) build_side_road(r);
  }

  struct SideRoad {
    StreetSide* side;
    double half, radius;
  };
  struct Driveway {
    StreetSide* side;
    double from, to;
  };

  void build_side_road(const SideRoad& r) {
    const double sign = r.side->sign;
    const double heading = street_.road.heading(street_.junction) + sign * (pi / 2 + random_.uniform(-0.15, 0.15));
    const double bend = random_.uniform(-0.012, 0.012);
    const Ribbon branch(street_.road.at(street_.junction, sign * (r.side->curb - 1)), heading,
                        std::vector<double>(46, bend));
    surface(branch.band(0, 46, -r.half - 2.5, r.half + 2.5), Surface::Pavers);
    surface(branch.band(0, 46, -r.half, r.half), Surface::Asphalt, 1.03f);
    const double inner = 1 + r.radius;
    for (double turn : {-1.0, 1.0}) {
      // The corner's curb: a quadratic Bezier curve from the road's curb to the branch's.
      const double along = street_.junction + turn * (r.half + r.radius);
      const double hand = -sign * turn;
      const Vec2 a = street_.road.at(along, sign * r.side->curb), b = branch.at(inner, hand * r.half);
      const Vec2 corner = street_.road.at(street_.junction + turn * r.half, sign * r.side->curb);
      std::vector<Vec2> arc;
      for (int i = 0; i <= 8; ++i) {
        const double t = i / 8.0;
        arc.push_back(a * ((1 - t) * (1 - t)) + corner * (2 * t * (1 - t)) + b * (t * t));
      }
      std::vector<Vec2> apron = arc;
      apron.push_back(branch.at(0, 0));
      surface(std::move(apron), Surface::Asphalt);
      add_curb(arc, layout_);
      add_curb(branch.line(inner, 45, hand * r.half), layout_);
      if (random_.chance(0.6))
        add_wall(branch.line(inner + r.side->sidewalk, 44, hand * (r.half + 2.6)), random_.uniform(1.2, 3),
                 wall_colour(), random_, layout_);
    }
    const double line = inner + random_.uniform(0, 1.5);
    add_boundary(branch, line, 45, 0, BoundaryRole::Centre, random_, layout_);
    for (double hand : {-1.0, 1.0})
      if (random_.chance(0.5))
        add_boundary(branch, inner, 45, hand * (r.half - 0.4), BoundaryRole::Edge, random_, layout_);
    // Those who come out of the branch drive on its left as seen outwards.
    add_stopline(branch.at(line, 0.3), branch.at(line, r.half - 0.2), layout_);
    if (random_.chance(0.6)) add_crosswalk(branch.at(line + 3, 0), branch.heading(line + 3), 2 * r.half, 3, layout_);
    add_ground_sign(branch.at(line + random_.uniform(8, 12), r.half / 2), branch.heading(line + 10) + pi, random_,
                    layout_);
    // A guiding line that turns from the road into the branch.
    const Vec2 a = street_.road.at(street_.junction - 6, sign * street_.lane_width * 0.5 * (sign < 0 ? 1 : -1));
    const Vec2 b = branch.at(inner, 0),
               corner = street_.road.at(street_.junction, sign * street_.lane_width * 0.5 * (sign < 0 ? 1 : -1));
    std::vector<Vec2> guide;
    for (int i = 0; i <= 10; ++i) {
      const double t = i / 10.0;
      guide.push_back(a * ((1 - t) * (1 - t)) + corner * (2 * t * (1 - t)) + b * (t * t));
    }
    layout_.lane_marks.push_back(style_mark(LaneType::ShortDashedLine, guide, random_));
    for (double s = inner + 5; s < 40; s += random_.uniform(6, 9))
      if (random_.chance(options_.occluders * 0.7))
        layout_.actors.push_back(make_actor(ActorType::Car, branch.at(s, r.half / 2), branch.heading(s) + pi, random_));
  }

  Rgb wall_colour() {
    return random_.pick({Rgb{176, 168, 150}, Rgb{150, 92, 72}, Rgb{196, 192, 184}, Rgb{132, 138, 140}});
  }

  void draw_lanes() {
    const double cut = 5;
    std::vector<std::pair<double, double>> stretches = {{0, street_.total}};
    if (street_.junction > 0) stretches = {{0, street_.junction - cut}, {street_.junction + cut, street_.total}};
    for (const auto& [from, to] : stretches) {
      if (street_.sides[1].lanes > 0) add_boundary(street_.road, from, to, 0, BoundaryRole::Centre, random_, layout_);
      for (const StreetSide& side : street_.sides) {
        for (int i = 1; i < side.lanes; ++i)
          add_boundary(street_.road, from, to, side.sign * i * street_.lane_width, BoundaryRole::Divider, random_,
                       layout_);
        add_boundary(street_.road, from, to, side.sign * std::max(side.edge, 0.25), BoundaryRole::Edge, random_,
                     layout_);
        for (int i = 0; i < side.lanes; ++i)
          for (double s = from + random_.uniform(2, 12); s < to - 4; s += random_.uniform(9, 24)) {
            if (random_.chance(0.25)) continue;
            const double heading = street_.road.heading(s) + (side.sign < 0 ? 0 : pi);
            add_ground_sign(street_.road.at(s, side.sign * (i + random_.uniform(0.42, 0.58)) * street_.lane_width),
                            heading, random_, layout_);
          }
      }
    }
    if (street_.junction > 0) {
      add_stopline(street_.road.at(street_.junction - cut - 0.4, -0.2),
                   street_.road.at(street_.junction - cut - 0.4, -street_.sides[0].edge), layout_);
      if (random_.chance(0.5))
        add_crosswalk(street_.road.at(street_.junction - cut - 3, (street_.sides[1].edge - street_.sides[0].edge) / 2),
                      street_.road.heading(street_.junction - cut - 3), street_.sides[0].edge + street_.sides[1].edge,
                      3.2, layout_);
    }
    for (double s = random_.uniform(12, 40); s < street_.total - 5; s += random_.uniform(22, 50)) {
      if (std::abs(s - street_.junction) < 9) continue;
      const double middle = (street_.sides[1].edge - street_.sides[0].edge) / 2;
      add_speed_bump(street_.road.at(s, middle), street_.road.heading(s) + pi / 2,
                     street_.sides[0].edge + street_.sides[1].edge - 0.3, random_, layout_);
    }
  }

  /// Curb and walls between the openings.
  void build_edge(const StreetSide& side) {
    double s = 0;
    const auto stretch = [&](double from, double to) {
      if (to - from < 1) return;
      add_curb(street_.road.line(from, to, side.sign * side.curb), layout_);
      double at = from + random_.uniform(0, 4);
      while (at < to - 4) {
        const double end = std::min(to, at + random_.uniform(7, 26));
        const double shift = side.sign * (side.curb + side.sidewalk + 0.15);
        if (random_.chance(0.7)) {
          add_wall(street_.road.line(at, end, shift), random_.uniform(1.1, 3.2), wall_colour(), random_, layout_);
        } else if (end - at > 8) {
          const double middle = (at + end) / 2, depth = random_.uniform(6, 10);
          const Vec2 p = street_.road.at(middle, shift + side.sign * (depth / 2 + 1.5));
          layout_.solids.push_back({{p.x, p.y, end - at - 1, depth, street_.road.heading(middle)},
                                    0,
                                    random_.uniform(5, 14),
                                    Material::Building,
                                    wall_colour(),
                                    static_cast<uint32_t>(random_.bits()),
                                    true});
        }
        at = end + random_.uniform(0.5, 6);
      }
    };
    for (const StreetSide::Opening& o : side.openings) {
      stretch(s, o.from);
      s = o.to;
    }
    stretch(s, street_.total);
  }

  const LayoutOptions& options_;
  Random random_;
  Layout& layout_;
  Street street_;
  std::vector<SideRoad> side_roads_;
  std::vector<Driveway> driveways_;
};

}  // namespace

void build_street(const LayoutOptions& options, Random random, Layout& layout) {
  StreetBuilder(options, random, layout).build();
}

}  // namespace bevgrad::scene
