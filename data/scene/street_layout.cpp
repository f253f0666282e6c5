// Streets: a winding road of one or two directions with lanes, curbs, parking strips, side roads, driveways and
// traffic.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "data/scene/layout_parts.h"

namespace bevgrad::scene {

namespace {

constexpr double pi = std::numbers::pi;

/// One side of the road; shifts are measured outwards and multiplied by `sign` (+1 left, -1 right).
struct Side {
  double sign = 1;
  int lanes = 1;
  double edge = 0;      ///< shift of the outermost lane's edge
  double curb = 0;      ///< shift of the curb
  double sidewalk = 3;  ///< width
  bool has_slots = false;
  /// Stretches of road where a side road or a driveway leaves: no curb, no wall, nothing parked.
  struct Opening {
    double from, to;
  };
  std::vector<Opening> openings;

  bool is_open(double from, double to) const {
    return std::any_of(openings.begin(), openings.end(), [&](const Opening& o) { return from < o.to && to > o.from; });
  }
};

class StreetBuilder {
 public:
  StreetBuilder(const LayoutOptions& options, Random random, Layout& layout)
      : options_(options), random_(random), layout_(layout) {}

  void build() {
    plan();
    for (Side& side : sides_) plan_openings(side);
    lay_surfaces();
    draw_lanes();
    for (Side& side : sides_) {
      build_edge(side);
      if (side.has_slots) park_along(side);
      furnish_sidewalk(side);
    }
    add_traffic();
  }

 private:
  void plan() {
    start_ = random_.uniform(36, 44);
    total_ = start_ + options_.drive_length + 74;
    std::vector<double> curvature;
    double heading = 0, k = 0;
    while (static_cast<double>(curvature.size()) < total_) {
      const int steps = random_.integer(14, 34);
      const double target = random_.chance(0.35) ? 0 : random_.uniform(-0.028, 0.028) - 0.02 * heading;
      for (int i = 0; i < steps; ++i) {
        k += std::clamp(target - k, -0.004, 0.004);
        curvature.push_back(k);
        heading += k;
      }
    }
    road_ = Ribbon({random_.uniform(-500, 500), random_.uniform(-500, 500)}, random_.uniform(-pi, pi), curvature);
    total_ = road_.length();
    lane_width_ = random_.uniform(3.0, 3.5);
    const int forward = random_.chance(0.2) ? 1 : random_.integer(2, 3);
    const int backward = random_.chance(0.1) ? 0 : random_.integer(1, 2);
    for (int i = 0; i < 2; ++i) {
      Side& side = sides_[i];
      side.sign = i == 0 ? -1 : 1;
      side.lanes = i == 0 ? forward : backward;
      side.edge = side.lanes * lane_width_;
      side.has_slots = random_.chance(0.6);
      side.curb = side.edge + (side.has_slots ? random_.uniform(2.3, 2.6) : random_.uniform(0.3, 0.8));
      side.sidewalk = random_.uniform(2, 4.5);
    }
    ego_lane_ = random_.integer(0, forward - 1);
    const double shift = -(ego_lane_ + 0.5) * lane_width_;
    const bool changes = forward > 1 && random_.chance(0.3);
    const double target = changes ? shift + (ego_lane_ > 0 ? lane_width_ : -lane_width_) : shift;
    const double from = start_ + random_.uniform(3, 18), sway = random_.uniform(0, 0.25), phase = random_.uniform(0, 6);
    for (double s = 0; s <= total_; s += 1) {
      const double t = std::clamp((s - from) / 18, 0.0, 1.0);
      const double at = shift + (target - shift) * t * t * (3 - 2 * t) + sway * std::sin(s / 9 + phase);
      layout_.ego_path.push_back(road_.at(s, at));
    }
    layout_.ego_start = start_;
    layout_.ego_speed = random_.uniform(4.5, 8.3);
    layout_.base = random_.chance(0.5) ? Surface::Pavers : Surface::Grass;
  }

  /// One junction and some driveways.
  void plan_openings(Side& side) {
    if (random_.chance(0.6)) {
      if (junction_ == 0) junction_ = start_ + random_.uniform(14, options_.drive_length + 15);
      const double half = random_.uniform(3.2, 4.5), radius = random_.uniform(3, 6);
      side.openings.push_back({junction_ - half - radius, junction_ + half + radius});
      side_roads_.push_back({&side, half, radius});
    }
    for (int i = random_.integer(0, 3); i > 0; --i) {
      const double from = random_.uniform(15, total_ - 15), width = random_.uniform(4, 6.5);
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
    const Side &right = sides_[0], &left = sides_[1];
    for (double s = 0; s < total_; s += 10) {
      const double end = std::min(total_, s + 10);
      surface(road_.band(s, end, -right.curb - right.sidewalk, left.curb + left.sidewalk), Surface::Pavers);
    }
    for (double s = 0; s < total_; s += 10) {
      const double end = std::min(total_, s + 10);
      std::vector<Vec2> band = road_.band(s, end, -right.curb, left.curb);
      layout_.elements.push_back({RoadType::Freespace, true, 0, band});
      surface(std::move(band), Surface::Asphalt);
    }
    for (const Driveway& d : driveways_) {
      const double near = d.side->sign * d.side->curb, far = d.side->sign * (d.side->curb + d.side->sidewalk + 9);
      surface(road_.band(d.from, d.to, near, far), Surface::Concrete, 0.9f);
      if (random_.chance(0.5)) {
        const double middle = (d.from + d.to) / 2;
        add_speed_bump(road_.at(middle, d.side->sign * (d.side->curb + 0.8)), road_.heading(middle),
                       d.to - d.from - 0.4, random_, layout_);
      }
    }
    for (const SideRoad& r : side_roads_) build_side_road(r);
  }

  struct SideRoad {
    Side* side;
    double half, radius;
  };
  struct Driveway {
    Side* side;
    double from, to;
  };

  void build_side_road(const SideRoad& r) {
    const double sign = r.side->sign;
    const double heading = road_.heading(junction_) + sign * (pi / 2 + random_.uniform(-0.15, 0.15));
    const double bend = random_.uniform(-0.012, 0.012);
    const Ribbon branch(road_.at(junction_, sign * (r.side->curb - 1)), heading, std::vector<double>(46, bend));
    surface(branch.band(0, 46, -r.half - 2.5, r.half + 2.5), Surface::Pavers);
    surface(branch.band(0, 46, -r.half, r.half), Surface::Asphalt, 1.03f);
    const double inner = 1 + r.radius;
    for (double turn : {-1.0, 1.0}) {
      // The corner's curb: a quadratic Bezier curve from the road's curb to the branch's.
      const double along = junction_ + turn * (r.half + r.radius);
      const double hand = -sign * turn;
      const Vec2 a = road_.at(along, sign * r.side->curb), b = branch.at(inner, hand * r.half);
      const Vec2 corner = road_.at(junction_ + turn * r.half, sign * r.side->curb);
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
    const Vec2 a = road_.at(junction_ - 6, sign * lane_width_ * 0.5 * (sign < 0 ? 1 : -1));
    const Vec2 b = branch.at(inner, 0), corner = road_.at(junction_, sign * lane_width_ * 0.5 * (sign < 0 ? 1 : -1));
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
    std::vector<std::pair<double, double>> stretches = {{0, total_}};
    if (junction_ > 0) stretches = {{0, junction_ - cut}, {junction_ + cut, total_}};
    for (const auto& [from, to] : stretches) {
      if (sides_[1].lanes > 0) add_boundary(road_, from, to, 0, BoundaryRole::Centre, random_, layout_);
      for (const Side& side : sides_) {
        for (int i = 1; i < side.lanes; ++i)
          add_boundary(road_, from, to, side.sign * i * lane_width_, BoundaryRole::Divider, random_, layout_);
        add_boundary(road_, from, to, side.sign * std::max(side.edge, 0.25), BoundaryRole::Edge, random_, layout_);
        for (int i = 0; i < side.lanes; ++i)
          for (double s = from + random_.uniform(2, 12); s < to - 4; s += random_.uniform(9, 24)) {
            if (random_.chance(0.25)) continue;
            const double heading = road_.heading(s) + (side.sign < 0 ? 0 : pi);
            add_ground_sign(road_.at(s, side.sign * (i + random_.uniform(0.42, 0.58)) * lane_width_), heading, random_,
                            layout_);
          }
      }
    }
    if (junction_ > 0) {
      add_stopline(road_.at(junction_ - cut - 0.4, -0.2), road_.at(junction_ - cut - 0.4, -sides_[0].edge), layout_);
      if (random_.chance(0.5))
        add_crosswalk(road_.at(junction_ - cut - 3, (sides_[1].edge - sides_[0].edge) / 2),
                      road_.heading(junction_ - cut - 3), sides_[0].edge + sides_[1].edge, 3.2, layout_);
    }
    for (double s = random_.uniform(12, 40); s < total_ - 5; s += random_.uniform(22, 50)) {
      if (std::abs(s - junction_) < 9) continue;
      const double middle = (sides_[1].edge - sides_[0].edge) / 2;
      add_speed_bump(road_.at(s, middle), road_.heading(s) + pi / 2, sides_[0].edge + sides_[1].edge - 0.3, random_,
                     layout_);
    }
  }

  /// Curb and walls between the openings.
  void build_edge(const Side& side) {
    double s = 0;
    const auto stretch = [&](double from, double to) {
      if (to - from < 1) return;
      add_curb(road_.line(from, to, side.sign * side.curb), layout_);
      double at = from + random_.uniform(0, 4);
      while (at < to - 4) {
        const double end = std::min(to, at + random_.uniform(7, 26));
        const double shift = side.sign * (side.curb + side.sidewalk + 0.15);
        if (random_.chance(0.7)) {
          add_wall(road_.line(at, end, shift), random_.uniform(1.1, 3.2), wall_colour(), random_, layout_);
        } else if (end - at > 8) {
          const double middle = (at + end) / 2, depth = random_.uniform(6, 10);
          const Vec2 p = road_.at(middle, shift + side.sign * (depth / 2 + 1.5));
          layout_.solids.push_back({{p.x, p.y, end - at - 1, depth, road_.heading(middle)},
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
    for (const Side::Opening& o : side.openings) {
      stretch(s, o.from);
      s = o.to;
    }
    stretch(s, total_);
  }

  void park_along(const Side& side) {
    const double middle = side.sign * (side.edge + side.curb) / 2, depth = side.curb - side.edge - 0.2;
    double s = random_.uniform(2, 12);
    while (s < total_ - 8) {
      const double l = random_.uniform(5.3, 6.6);
      if (side.is_open(s - 1, s + l + 1) || random_.chance(0.12)) {
        s += random_.uniform(3, 9);
        continue;
      }
      const double heading = road_.heading(s + l / 2) + (side.sign < 0 ? 0 : pi);
      const Vec2 centre = road_.at(s + l / 2, middle);
      layout_.instances.push_back({InstanceType::ParkingSlot, {centre.x, centre.y, l, depth, heading}});
      for (double end : {s, s + l}) {
        const Vec2 p = road_.at(end, middle);
        const auto outline = corners(RotatedBox{p.x, p.y, 0.12, depth, road_.heading(end)});
        layout_.paints.push_back({{outline.begin(), outline.end()}, {150, 178, 220}, 0.6f, 0.05f});
      }
      if (random_.chance(0.2 + 0.7 * options_.occluders)) {
        const ActorType type = random_.chance(0.85)  ? ActorType::Car
                               : random_.chance(0.7) ? ActorType::Truck
                                                     : ActorType::Barrier;
        const Vec2 p = road_.at(s + l / 2 + random_.uniform(-0.3, 0.3), middle + random_.uniform(-0.12, 0.12));
        Actor actor = make_actor(type, p, heading + random_.uniform(-0.05, 0.05), random_);
        actor.length = std::min(actor.length, l - 0.5);
        layout_.actors.push_back(actor);
      }
      s += l + (random_.chance(0.25) ? random_.uniform(0.5, 4) : 0);
    }
  }

  void furnish_sidewalk(const Side& side) {
    const double path = side.sign * (side.curb + side.sidewalk / 2);
    for (int i = random_.integer(3, 7); i > 0; --i) {
      const bool forward = random_.chance(0.5);
      const double s = random_.uniform(start_ - 15, start_ + options_.drive_length + 30);
      Actor person = make_actor(ActorType::Person, road_.at(s, path), road_.heading(s), random_);
      const double shift = path + random_.uniform(-0.6, 0.6);
      person.motion = {forward ? road_.line(0, total_, shift) : road_.line(total_, 0, shift), forward ? s : total_ - s,
                       random_.uniform(0, 1.6), false};
      layout_.actors.push_back(person);
    }
    for (double s = random_.uniform(4, 20); s < total_ - 6; s += random_.uniform(9, 22)) {
      if (side.is_open(s - 1, s + 4)) continue;
      const double shift = side.sign * (side.curb + 0.8);
      const int what = random_.integer(0, 4);
      if (what == 0) {
        for (int i = 0; i < 4; ++i)
          layout_.actors.push_back(make_actor(ActorType::RiderlessNonMotor,
                                              road_.at(s + 0.75 * i, shift + side.sign * 0.5),
                                              road_.heading(s) + pi / 2 + random_.uniform(-0.15, 0.15), random_));
      } else if (what == 1) {
        for (int i = 0; i < 3; ++i)
          layout_.actors.push_back(make_actor(ActorType::Barrier, road_.at(s + 1.7 * i, side.sign * (side.curb + 0.5)),
                                              road_.heading(s), random_));
      } else if (what == 2) {
        add_column(road_.at(s, shift), road_.heading(s), random_.uniform(0.35, 0.7), random_.uniform(2.5, 4), layout_);
      } else {
        const Vec2 p = road_.at(s, shift);
        const double crown = random_.uniform(1.6, 2.8);
        const auto seed = static_cast<uint32_t>(random_.bits());
        layout_.solids.push_back({{p.x, p.y, 0.25, 0.25, 0}, 0, 2.4, Material::Trunk, {82, 62, 44}, seed, false});
        layout_.solids.push_back({{p.x, p.y, crown, crown, random_.uniform(0, 1.5)},
                                  2.3,
                                  random_.uniform(4, 5.5),
                                  Material::Foliage,
                                  {58, 96, 44},
                                  seed,
                                  false});
      }
    }
  }

  ActorType traffic_type() {
    const double t = random_.uniform();
    return t < 0.58 ? ActorType::Car : t < 0.8 ? ActorType::Truck : t < 0.92 ? ActorType::Bus : ActorType::NonMotor;
  }

  void add_vehicle(const std::vector<Vec2>& path, double s, double speed, bool follows) {
    Actor actor = make_actor(traffic_type(), {}, 0, random_);
    actor.motion = {path, s, speed, follows};
    layout_.actors.push_back(std::move(actor));
  }

  void add_traffic() {
    const double spacing = 22 - 14 * options_.occluders;
    for (const Side& side : sides_)
      for (int i = 0; i < side.lanes; ++i) {
        const double shift = side.sign * (i + 0.5) * lane_width_ + random_.uniform(-0.2, 0.2);
        if (side.sign > 0) {
          const double speed = random_.chance(0.2) ? 0.4 : random_.uniform(2.5, 8);
          const std::vector<Vec2> path = road_.line(total_, 0, shift);
          const double from = std::max(0.0, total_ - start_ - options_.drive_length - 70 - speed * 6);
          for (double s = from; s < total_ - start_ + 25; s += spacing * random_.uniform(0.7, 1.5))
            if (random_.chance(0.55 + 0.6 * options_.occluders)) add_vehicle(path, s, speed, false);
        } else if (i == ego_lane_) {
          if (random_.chance(0.6))
            add_vehicle(layout_.ego_path, start_ + random_.uniform(11, 24), random_.uniform(-0.2, 0.6), true);
          if (random_.chance(0.85))
            add_vehicle(layout_.ego_path, start_ - random_.uniform(6.5, 11), random_.uniform(-0.3, 0), true);
        } else {
          const double relative = random_.uniform(1.2, 3.5) * (random_.chance(0.5) ? 1 : -1);
          const std::vector<Vec2> path = road_.line(0, total_, shift);
          for (double s = start_ - 24 + random_.uniform(0, 8); s < start_ + 55;
               s += spacing * random_.uniform(0.8, 1.6))
            if (random_.chance(0.55 + 0.6 * options_.occluders)) add_vehicle(path, s, relative, true);
        }
      }
    // Riders along the right curb.
    for (int i = random_.integer(0, 3); i > 0; --i) {
      Actor rider = make_actor(ActorType::NonMotor, {}, 0, random_);
      rider.motion = {road_.line(0, total_, -(sides_[0].edge - 0.45)), start_ + random_.uniform(-12, 45),
                      random_.uniform(2, 5), false};
      layout_.actors.push_back(rider);
    }
  }

  const LayoutOptions& options_;
  Random random_;
  Layout& layout_;
  Ribbon road_;
  double start_ = 0, total_ = 0, lane_width_ = 3.2, junction_ = 0;
  int ego_lane_ = 0;
  Side sides_[2];
  std::vector<SideRoad> side_roads_;
  std::vector<Driveway> driveways_;
};

}  // namespace

void build_street(const LayoutOptions& options, Random random, Layout& layout) {
  StreetBuilder(options, random, layout).build();
}

}  // namespace bevgrad::scene
