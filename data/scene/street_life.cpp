// What stands and moves along a street: parked cars, people, furniture of the sidewalks, traffic.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "scene/internal/street.h"

namespace bevgrad::scene {

namespace {

using std::numbers::pi;

class StreetLife {
 public:
  StreetLife(const LayoutOptions& options, const Street& street, Random random, Layout& layout)
      : options_(options), street_(street), random_(random), layout_(layout) {}

  void populate() {
    for (const StreetSide& side : street_.sides) {
      if (side.has_slots) park_along(side);
      furnish_sidewalk(side);
    }
    add_traffic();
  }

 private:
  void park_along(const StreetSide& side) {
    const double middle = side.sign * (side.edge + side.curb) / 2, depth = side.curb - side.edge - 0.2;
    double s = random_.uniform(2, 12);
    while (s < street_.total - 8) {
      const double l = random_.uniform(5.3, 6.6);
      if (side.is_open(s - 1, s + l + 1) || random_.chance(0.12)) {
        s += random_.uniform(3, 9);
        continue;
      }
      const double heading = street_.road.heading(s + l / 2) + (side.sign < 0 ? 0 : pi);
      const Vec2 centre = street_.road.at(s + l / 2, middle);
      layout_.instances.push_back({InstanceType::ParkingSlot, {centre.x, centre.y, l, depth, heading}});
      for (double end : {s, s + l}) {
        const Vec2 p = street_.road.at(end, middle);
        const auto outline = corners(RotatedBox{p.x, p.y, 0.12, depth, street_.road.heading(end)});
        layout_.paints.push_back({{outline.begin(), outline.end()}, {150, 178, 220}, 0.6f, 0.05f});
      }
      if (random_.chance(0.2 + 0.7 * options_.occluders)) {
        const ActorType type = random_.chance(0.85)  ? ActorType::Car
                               : random_.chance(0.7) ? ActorType::Truck
                                                     : ActorType::Barrier;
        const Vec2 p = street_.road.at(s + l / 2 + random_.uniform(-0.3, 0.3), middle + random_.uniform(-0.12, 0.12));
        Actor actor = make_actor(type, p, heading + random_.uniform(-0.05, 0.05), random_);
        actor.length = std::min(actor.length, l - 0.5);
        layout_.actors.push_back(actor);
      }
      s += l + (random_.chance(0.25) ? random_.uniform(0.5, 4) : 0);
    }
  }

  void furnish_sidewalk(const StreetSide& side) {
    const double path = side.sign * (side.curb + side.sidewalk / 2);
    for (int i = random_.integer(3, 7); i > 0; --i) {
      const bool forward = random_.chance(0.5);
      const double s = random_.uniform(street_.start - 15, street_.start + options_.drive_length + 30);
      Actor person = make_actor(ActorType::Person, street_.road.at(s, path), street_.road.heading(s), random_);
      const double shift = path + random_.uniform(-0.6, 0.6);
      person.motion = {
          forward ? street_.road.line(0, street_.total, shift) : street_.road.line(street_.total, 0, shift),
          forward ? s : street_.total - s, random_.uniform(0, 1.6), false};
      layout_.actors.push_back(person);
    }
    for (double s = random_.uniform(4, 20); s < street_.total - 6; s += random_.uniform(9, 22)) {
      if (side.is_open(s - 1, s + 4)) continue;
      const double shift = side.sign * (side.curb + 0.8);
      const int what = random_.integer(0, 4);
      if (what == 0) {
        for (int i = 0; i < 4; ++i)
          layout_.actors.push_back(
              make_actor(ActorType::RiderlessNonMotor, street_.road.at(s + 0.75 * i, shift + side.sign * 0.5),
                         street_.road.heading(s) + pi / 2 + random_.uniform(-0.15, 0.15), random_));
      } else if (what == 1) {
        for (int i = 0; i < 3; ++i)
          layout_.actors.push_back(make_actor(ActorType::Barrier,
                                              street_.road.at(s + 1.7 * i, side.sign * (side.curb + 0.5)),
                                              street_.road.heading(s), random_));
      } else if (what == 2) {
        add_column(street_.road.at(s, shift), street_.road.heading(s), random_.uniform(0.35, 0.7),
                   random_.uniform(2.5, 4), layout_);
      } else {
        const Vec2 p = street_.road.at(s, shift);
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
    for (const StreetSide& side : street_.sides)
      for (int i = 0; i < side.lanes; ++i) {
        const double shift = side.sign * (i + 0.5) * street_.lane_width + random_.uniform(-0.2, 0.2);
        if (side.sign > 0) {
          const double speed = random_.chance(0.2) ? 0.4 : random_.uniform(2.5, 8);
          const std::vector<Vec2> path = street_.road.line(street_.total, 0, shift);
          const double from = std::max(0.0, street_.total - street_.start - options_.drive_length - 70 - speed * 6);
          for (double s = from; s < street_.total - street_.start + 25; s += spacing * random_.uniform(0.7, 1.5))
            if (random_.chance(0.55 + 0.6 * options_.occluders)) add_vehicle(path, s, speed, false);
        } else if (i == street_.ego_lane) {
          if (random_.chance(0.6))
            add_vehicle(layout_.ego_path, street_.start + random_.uniform(11, 24), random_.uniform(-0.2, 0.6), true);
          if (random_.chance(0.85))
            add_vehicle(layout_.ego_path, street_.start - random_.uniform(6.5, 11), random_.uniform(-0.3, 0), true);
        } else {
          const double relative = random_.uniform(1.2, 3.5) * (random_.chance(0.5) ? 1 : -1);
          const std::vector<Vec2> path = street_.road.line(0, street_.total, shift);
          for (double s = street_.start - 24 + random_.uniform(0, 8); s < street_.start + 55;
               s += spacing * random_.uniform(0.8, 1.6))
            if (random_.chance(0.55 + 0.6 * options_.occluders)) add_vehicle(path, s, relative, true);
        }
      }
    // Riders along the right curb.
    for (int i = random_.integer(0, 3); i > 0; --i) {
      Actor rider = make_actor(ActorType::NonMotor, {}, 0, random_);
      rider.motion = {street_.road.line(0, street_.total, -(street_.sides[0].edge - 0.45)),
                      street_.start + random_.uniform(-12, 45), random_.uniform(2, 5), false};
      layout_.actors.push_back(rider);
    }
  }

  const LayoutOptions& options_;
  const Street& street_;
  Random random_;
  Layout& layout_;
};

}  // namespace

void populate_street(const LayoutOptions& options, const Street& street, Random random, Layout& layout) {
  StreetLife(options, street, random, layout).populate();
}

}  // namespace bevgrad::scene
