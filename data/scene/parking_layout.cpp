// Parking areas: rows of slots of irregular widths and angles along aisles that turn, with columns, walls, islands and
// cars that stand or look for a place. Indoor garages and open lots.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "geometry/polyline.h"
#include "scene/internal/layout_parts.h"

namespace bevgrad::scene {

namespace {

using std::numbers::pi;

class ParkingBuilder {
 public:
  ParkingBuilder(const LayoutOptions& options, Random random, Layout& layout)
      : options_(options), random_(random), layout_(layout) {}

  void build() {
    plan();
    build_enclosure();
    for (int aisle = 0; aisle < kAisles; ++aisle) {
      build_row(aisle, true);
      build_row(aisle, false);
      mark_aisle(aisle);
    }
    mark_cross_aisles();
    add_moving();
  }

 private:
  static constexpr int kAisles = 2;

  // Local frame: u along the aisles, v across them; aisle i is centred at v = aisle_v(i).
  Vec2 world(double u, double v) const { return origin_ + direction(heading_) * u + left_of(direction(heading_)) * v; }
  double aisle_v(int i) const { return slot_ + aisle_ / 2 + i * (2 * slot_ + aisle_ + island_); }
  double width() const { return kAisles * (2 * slot_ + aisle_) + (kAisles - 1) * island_; }

  std::vector<Vec2> path(std::initializer_list<Vec2> local, double radius) const {
    // Corners rounded by quadratic curves, then half a metre a step.
    const std::vector<Vec2> p(local);
    std::vector<Vec2> smooth = {p.front()};
    for (size_t i = 1; i + 1 < p.size(); ++i) {
      const Vec2 in = p[i - 1] - p[i], out = p[i + 1] - p[i];
      const Vec2 a = p[i] + in * (radius / norm(in)), b = p[i] + out * (radius / norm(out));
      for (int k = 0; k <= 12; ++k) {
        const double t = k / 12.0;
        smooth.push_back(a * ((1 - t) * (1 - t)) + p[i] * (2 * t * (1 - t)) + b * (t * t));
      }
    }
    smooth.push_back(p.back());
    std::vector<Vec2> result = resample(smooth, std::max(2, static_cast<int>(length(smooth) * 2)));
    for (Vec2& q : result) q = world(q.x, q.y);
    return result;
  }

  void plan() {
    origin_ = {random_.uniform(-500, 500), random_.uniform(-500, 500)};
    heading_ = random_.uniform(-pi, pi);
    slot_ = random_.uniform(4.9, 5.4);
    aisle_ = random_.uniform(5.8, 7.2);
    island_ = random_.chance(0.5) ? random_.uniform(0.4, 1.4) : 0;
    depth_ = random_.uniform(66, 90);
    cross_ = random_.uniform(6, 7.5);
    layout_.indoor = random_.chance(0.5);
    if (layout_.indoor) layout_.wetness = 0;
    layout_.base = layout_.indoor ? Surface::Concrete : Surface::Asphalt;
    keep_right_ = random_.uniform(0.8, 1.6);
    const int from = random_.integer(0, kAisles - 2);
    const double v0 = aisle_v(from) - keep_right_, v1 = aisle_v(from + 1) + keep_right_;
    const double turn = depth_ - cross_ / 2 + keep_right_ / 2;
    layout_.ego_path = path({{-12, v0}, {turn, v0}, {turn, v1}, {-12, v1}}, 6.5);
    // Most drives begin shortly before the turn: what was seen along one aisle is hidden from the next.
    const double straight = turn + 12;
    layout_.ego_start =
        random_.chance(0.25) ? random_.uniform(14, 35) : std::max(14.0, straight - random_.uniform(4, 20));
    layout_.ego_start = std::min(layout_.ego_start, length(layout_.ego_path) - options_.drive_length - 2);
    layout_.ego_speed = random_.uniform(4, 6.5);
    ego_aisle_ = from;
  }

  std::vector<Vec2> local_line(double u0, double v0, double u1, double v1) const {
    return {world(u0, v0), world(u1, v1)};
  }

  void build_enclosure() {
    const double w = width();
    const Rgb colour = layout_.indoor ? Rgb{186, 186, 178} : Rgb{160, 140, 120};
    const double height = layout_.indoor ? 2.9 : random_.uniform(1.2, 2.4);
    const auto wall = [&](double u0, double v0, double u1, double v1, double openness) {
      const double total = std::hypot(u1 - u0, v1 - v0);
      double s = 0;
      while (s < total - 1) {
        const double end = std::min(total, s + random_.uniform(8, 30));
        const double a = s / total, b = end / total;
        add_wall(local_line(u0 + (u1 - u0) * a, v0 + (v1 - v0) * a, u0 + (u1 - u0) * b, v0 + (v1 - v0) * b), height,
                 colour, random_, layout_);
        s = end + (random_.chance(openness) ? random_.uniform(3, 7) : 0);
      }
    };
    const double openness = layout_.indoor ? 0.15 : 0.6;
    wall(0, -0.15, depth_, -0.15, openness);
    wall(0, w + 0.15, depth_, w + 0.15, openness);
    wall(depth_ + 0.15, 0, depth_ + 0.15, w, openness);
    for (int i = 0; i <= kAisles; ++i) {  // the near side is open where the aisles come in
      const double v0 = i == 0 ? 0 : aisle_v(i - 1) + aisle_ / 2, v1 = i == kAisles ? w : aisle_v(i) - aisle_ / 2;
      if (v1 - v0 > 1) wall(-0.15, v0, -0.15, v1, openness);
    }
    std::vector<Vec2> floor = {world(0, 0), world(depth_, 0), world(depth_, w), world(0, w)};
    layout_.surfaces.push_back({floor, layout_.base, 1});
    layout_.elements.push_back({RoadType::Freespace, true, 0, floor});
  }

  /// The row above (left of) or below an aisle.
  void build_row(int aisle, bool above) {
    const double front = aisle_v(aisle) + (above ? aisle_ / 2 : -aisle_ / 2), sign = above ? 1 : -1;
    const double lean = random_.chance(0.3) ? random_.uniform(0.3, 0.6) * (random_.chance(0.5) ? 1 : -1) : 0;
    const int style = random_.integer(0, 2);
    const double end = depth_ - cross_ - random_.uniform(0, 3);
    const Rgb paint = random_.pick({Rgb{214, 214, 210}, Rgb{150, 178, 220}, Rgb{210, 190, 120}});
    double u = random_.uniform(2, 5);
    add_island(u - 1.6, front, sign);
    bool fresh = true;
    while (u < end - 3) {
      const double w = random_.uniform(2.3, 2.85) / std::cos(lean);
      if (random_.chance(0.13)) {
        u += fill_gap(u + 0.2, front, sign);
        fresh = true;
        continue;
      }
      add_slot(u, w, front, sign, lean, style, paint, fresh);
      fresh = false;
      u += w;
      if (layout_.indoor && random_.chance(0.3)) {
        add_column(world(u + 0.45, front + sign * random_.uniform(0.4, 1.2)), heading_, random_.uniform(0.5, 0.8), 2.9,
                   layout_);
        u += 0.9;
        fresh = true;
      }
    }
    add_island(u + 0.8, front, sign);
  }

  void stripe(Vec2 a, Vec2 b, Rgb colour) {
    const Vec2 edge = b - a, middle = (a + b) * 0.5;
    const auto outline = corners(RotatedBox{middle.x, middle.y, norm(edge), 0.11, std::atan2(edge.y, edge.x)});
    layout_.paints.push_back({{outline.begin(), outline.end()}, colour, 0.6f, 0.05f});
  }

  void add_slot(double u, double w, double front, double sign, double lean, int style, Rgb paint, bool fresh) {
    // The slot leads away from the aisle, turned by `lean` towards +u.
    const Vec2 in = {std::sin(lean), sign * std::cos(lean)};
    const double l = std::min(slot_ / std::cos(lean), slot_ + 0.6) - 0.25;
    const Vec2 a = {u, front + sign * 0.1}, b = {u + w, front + sign * 0.1};
    const auto at = [&](Vec2 p, double along) { return world(p.x + in.x * along, p.y + in.y * along); };
    const double reach = style == 1 ? l * 0.55 : l;
    if (fresh) stripe(at(a, 0), at(a, reach), paint);
    stripe(at(b, 0), at(b, reach), paint);
    if (style == 2) stripe(at(a, l), at(b, l), paint);
    const Vec2 middle = {(a.x + b.x) / 2 + in.x * l / 2, (a.y + b.y) / 2 + in.y * l / 2};
    const Vec2 centre = world(middle.x, middle.y);
    const double angle = std::atan2(in.y, in.x) + heading_;
    layout_.instances.push_back({InstanceType::ParkingSlot, {centre.x, centre.y, l, w * std::cos(lean), angle}});
    if (random_.chance(0.25 + 0.7 * options_.occluders)) {
      const Vec2 p = world(middle.x + random_.uniform(-0.12, 0.12), middle.y + random_.uniform(-0.3, 0.3));
      const double yaw = angle + (random_.chance(0.5) ? pi : 0) + random_.uniform(-0.07, 0.07);
      Actor actor = make_actor(ActorType::Car, p, yaw, random_);
      actor.length = std::min(actor.length, l - 0.2);
      layout_.actors.push_back(actor);
    }
  }

  /// Where there is no slot: columns, barriers, cycles, a hatched patch or nothing. Returns the width that it takes.
  double fill_gap(double u, double front, double sign) {
    const double w = random_.uniform(1.2, 3.5);
    switch (random_.integer(0, 3)) {
      case 0:
        for (double d = 0.3; d < w; d += 0.8)
          layout_.actors.push_back(make_actor(ActorType::RiderlessNonMotor, world(u + d, front + sign * 1.3),
                                              heading_ + pi / 2 + random_.uniform(-0.2, 0.2), random_));
        break;
      case 1:
        for (double d = 0.8; d < w; d += 1.7)
          layout_.actors.push_back(make_actor(ActorType::Barrier, world(u + d, front + sign * 0.4), heading_, random_));
        break;
      case 2:
        add_column(world(u + w / 2, front + sign * random_.uniform(0.5, 2.5)), heading_, random_.uniform(0.5, 0.9),
                   layout_.indoor ? 2.9 : 2.2, layout_);
        break;
      default:
        for (double d = 0.2; d < slot_ - 1; d += 0.9)
          stripe(world(u, front + sign * d), world(u + w - 0.3, front + sign * (d + 0.8)), {210, 190, 120});
    }
    return w + 0.3;
  }

  /// A raised end of a row with a curb around it.
  void add_island(double u, double front, double sign) {
    const double v0 = front + sign * 0.3, v1 = front + sign * (slot_ - 0.2);
    const std::vector<Vec2> outline = {world(u - 0.7, v1), world(u - 0.7, v0), world(u + 0.7, v0), world(u + 0.7, v1)};
    layout_.surfaces.push_back({outline, layout_.indoor ? Surface::Pavers : Surface::Grass, 1});
    add_curb(outline, layout_);
  }

  void mark_aisle(int aisle) {
    // Short ribbons that lie along the aisle let it share the boundaries of roads.
    const Ribbon ribbon(world(0, aisle_v(aisle)), heading_,
                        std::vector<double>(static_cast<size_t>(depth_ - cross_), 0));
    const double end = ribbon.length();
    add_boundary(ribbon, 0, end, 0, random_.chance(0.5) ? BoundaryRole::Centre : BoundaryRole::Divider, random_,
                 layout_);
    for (double sign : {-1.0, 1.0})
      if (random_.chance(0.6))
        add_boundary(ribbon, 1, end - 1, sign * (aisle_ / 2 - 0.25), BoundaryRole::Edge, random_, layout_);
    for (double sign : {-1.0, 1.0})
      for (double s = random_.uniform(2, 9); s < end - 3; s += random_.uniform(7, 17)) {
        if (random_.chance(0.2)) continue;
        add_ground_sign(ribbon.at(s, sign * random_.uniform(1.2, 1.7)), heading_ + (sign < 0 ? 0 : pi), random_,
                        layout_);
      }
    for (double s = random_.uniform(8, 24); s < end - 4; s += random_.uniform(16, 32))
      add_speed_bump(ribbon.at(s, 0), heading_ + pi / 2, aisle_ - 0.6, random_, layout_);
  }

  void mark_cross_aisles() {
    const double w = width();
    const Ribbon far(world(depth_ - cross_ / 2, 0), heading_ + pi / 2, std::vector<double>(static_cast<size_t>(w), 0));
    add_boundary(far, 2, far.length() - 2, 0, BoundaryRole::Centre, random_, layout_);
    add_boundary(far, 1, far.length() - 1, -(cross_ / 2 - 0.4), BoundaryRole::Edge, random_, layout_);
    for (double s = random_.uniform(3, 10); s < far.length() - 3; s += random_.uniform(8, 16)) {
      const double sign = random_.chance(0.5) ? 1 : -1;
      add_ground_sign(far.at(s, sign * 1.5), heading_ + pi / 2 + (sign < 0 ? 0 : pi), random_, layout_);
    }
    for (int i = 0; i < kAisles; ++i)
      if (random_.chance(0.6))
        add_stopline(world(depth_ - cross_ - 0.5, aisle_v(i) - 0.2),
                     world(depth_ - cross_ - 0.5, aisle_v(i) - aisle_ / 2 + 0.3), layout_);
  }

  void add_moving() {
    const auto add = [&](ActorType type, std::vector<Vec2> line, double start, double speed, bool follows) {
      Actor actor = make_actor(type, {}, 0, random_);
      actor.motion = {std::move(line), start, speed, follows};
      layout_.actors.push_back(std::move(actor));
    };
    const auto vehicle = [&] {
      const double t = random_.uniform();
      return t < 0.65 ? ActorType::Car : t < 0.9 ? ActorType::Truck : t < 0.94 ? ActorType::Bus : ActorType::NonMotor;
    };
    if (random_.chance(0.55))
      add(vehicle(), layout_.ego_path, layout_.ego_start + random_.uniform(10, 18), random_.uniform(-0.2, 0.5), true);
    if (random_.chance(0.85))
      add(vehicle(), layout_.ego_path, layout_.ego_start - random_.uniform(6.5, 10), random_.uniform(-0.3, 0), true);
    for (int i = 0; i < kAisles; ++i)
      for (double sign : {-1.0, 1.0}) {
        // Right of the middle towards +u, left of it back.
        const double v = aisle_v(i) + sign * keep_right_, speed = random_.uniform(1.5, 4.5);
        const bool oncoming = sign > 0;
        if (!oncoming && i == ego_aisle_) continue;
        for (double s = random_.uniform(0, 18); s < depth_ - cross_ - 6; s += random_.uniform(9, 20))
          if (random_.chance(0.4 + 0.6 * options_.occluders))
            add(vehicle(), oncoming ? path({{depth_ - cross_, v}, {-20, v}}, 1) : path({{-20, v}, {depth_ - 8, v}}, 1),
                s, speed, false);
      }
    for (int i = random_.integer(5, 10); i > 0; --i) {
      const double v = aisle_v(random_.integer(0, kAisles - 1)) + random_.uniform(-0.5, 0.5) * (aisle_ - 1);
      const bool back = random_.chance(0.5);
      add(ActorType::Person, back ? path({{depth_ - 3, v}, {-20, v}}, 1) : path({{-20, v}, {depth_ - 3, v}}, 1),
          random_.uniform(5, depth_), random_.uniform(0, 1.5), false);
    }
    for (int i = random_.integer(1, 3); i > 0; --i) {
      const double v = aisle_v(random_.integer(0, kAisles - 1)) + random_.uniform(-0.45, 0.45) * aisle_;
      add(ActorType::NonMotor, path({{-20, v}, {depth_ - 5, v}}, 1), random_.uniform(10, depth_ - 10),
          random_.uniform(1.5, 4), false);
    }
  }

  const LayoutOptions& options_;
  Random random_;
  Layout& layout_;
  Vec2 origin_;
  double heading_ = 0, slot_ = 5.2, aisle_ = 6.5, island_ = 0, depth_ = 75, cross_ = 7, keep_right_ = 1.2;
  int ego_aisle_ = 0;
};

}  // namespace

void build_parking(const LayoutOptions& options, Random random, Layout& layout) {
  ParkingBuilder(options, random, layout).build();
}

}  // namespace bevgrad::scene
