// Signs, bumps, curbs, walls, columns, stains and the bodies of actors.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "geometry/polyline.h"
#include "geometry/pose.h"
#include "scene/internal/layout_parts.h"

namespace bevgrad::scene {

namespace {

using std::numbers::pi;

/// Corners given along (x) and to the left of (y) a heading.
std::vector<Vec2> placed(std::initializer_list<Vec2> shape, Vec2 centre, double heading) {
  const Vec2 along = direction(heading), across = left_of(along);
  std::vector<Vec2> result;
  for (Vec2 p : shape) result.push_back(centre + along * p.x + across * p.y);
  return result;
}

double within_half_turn(double angle) {
  const double wrapped = wrap_angle(angle);
  return wrapped > pi / 2 ? wrapped - pi : wrapped <= -pi / 2 ? wrapped + pi : wrapped;
}

Rgb random_paintwork(Random& random) {
  static constexpr Rgb colours[] = {{215, 215, 218}, {38, 40, 45}, {120, 124, 130}, {150, 30, 32},  {34, 60, 120},
                                    {190, 186, 170}, {60, 72, 62}, {96, 60, 40},    {235, 235, 235}};
  return colours[random.integer(0, 8)] * static_cast<float>(random.uniform(0.85, 1.1));
}

/// Boxes along a line, each over as many of its corners as lie within a hand's breadth of the chord.
void add_boxes(const std::vector<Vec2>& line, double thickness, double height, Material material, Rgb colour,
               uint32_t seed, Layout& layout) {
  size_t from = 0;
  while (from + 1 < line.size()) {
    size_t to = from + 1;
    const auto is_straight = [&](size_t end) {
      for (size_t k = from + 1; k < end; ++k)
        if (distance_to_segment(line[k], line[from], line[end]) > 0.06) return false;
      return true;
    };
    while (to + 1 < line.size() && is_straight(to + 1)) ++to;
    const Vec2 edge = line[to] - line[from], middle = (line[from] + line[to]) * 0.5;
    layout.solids.push_back({{middle.x, middle.y, norm(edge), thickness, std::atan2(edge.y, edge.x)},
                             0,
                             height,
                             material,
                             colour,
                             seed,
                             true});
    from = to;
  }
}

}  // namespace

void add_ground_sign(Vec2 centre, double heading, Random& random, Layout& layout) {
  const double l = random.uniform(2.6, 4.2) / 2, w = random.uniform(0.9, 1.3) / 2;
  const double head = l * 0.2, stem = std::max(0.1, w * 0.24);
  std::vector<std::vector<Vec2>> parts;
  switch (random.integer(0, 4)) {
    case 0:  // straight on
      parts.push_back(placed({{-l, -stem}, {head, -stem}, {head, -w}, {l, 0}, {head, w}, {head, stem}, {-l, stem}},
                             centre, heading));
      break;
    case 1:  // to the left, or, mirrored, to the right
    case 2: {
      const double m = random.chance(0.5) ? 1 : -1;
      parts.push_back(placed({{-l, -stem * m},
                              {l * 0.55, -stem * m},
                              {l * 0.55, w * 0.3 * m},
                              {l, w * 0.3 * m},
                              {l * 0.4, w * 1.2 * m},
                              {-l * 0.2, w * 0.3 * m},
                              {l * 0.2, w * 0.3 * m},
                              {l * 0.2, stem * m},
                              {-l, stem * m}},
                             centre, heading));
      break;
    }
    case 3: {  // straight on and to one side
      const double m = random.chance(0.5) ? 1 : -1;
      parts.push_back(
          placed({{-l, -stem}, {head, -stem}, {head, -w * 0.8}, {l, 0}, {head, w * 0.8}, {head, stem}, {-l, stem}},
                 centre, heading));
      parts.push_back(placed({{-l * 0.5, 0},
                              {-l * 0.1, w * 0.6 * m},
                              {-l * 0.25, w * 0.75 * m},
                              {l * 0.3, w * 1.3 * m},
                              {l * 0.25, w * 0.35 * m},
                              {l * 0.1, w * 0.45 * m},
                              {-l * 0.25, 0}},
                             centre, heading));
      break;
    }
    default:  // a diamond
      parts.push_back(placed({{-l * 0.8, 0}, {0, -w}, {l * 0.8, 0}, {0, w}}, centre, heading));
  }
  const float wear = static_cast<float>(random.chance(0.3) ? random.uniform(0.1, 0.4) : 0.05);
  for (std::vector<Vec2>& part : parts) {
    layout.paints.push_back({part, {226, 226, 222}, 0.8f, wear});
    layout.elements.push_back({RoadType::GroundSigns, true, 0, std::move(part)});
  }
  layout.instances.push_back({InstanceType::GroundSign, {centre.x, centre.y, 2 * l, 2 * w, wrap_angle(heading)}});
}

void add_speed_bump(Vec2 centre, double angle, double long_side, Random& random, Layout& layout) {
  const double depth = random.uniform(0.4, 0.6);
  const int stripes = std::max(2, static_cast<int>(long_side / 0.5));
  const Vec2 along = direction(angle);
  for (int i = 0; i < stripes; ++i) {
    const double width = long_side / stripes;
    const Vec2 middle = centre + along * (-long_side / 2 + (i + 0.5) * width);
    const auto corner = corners(RotatedBox{middle.x, middle.y, width, depth, angle});
    const Rgb colour = i % 2 ? Rgb{30, 30, 32} : Rgb{225, 180, 30};
    layout.paints.push_back({{corner.begin(), corner.end()}, colour, i % 2 ? 0.1f : 0.6f, 0});
  }
  const RotatedBox box = {centre.x, centre.y, long_side, depth, within_half_turn(angle)};
  const auto outline = corners(box);
  layout.elements.push_back({RoadType::SpeedBump, true, 0, {outline.begin(), outline.end()}});
  layout.instances.push_back({InstanceType::SpeedBump, box});
}

void add_curb(const std::vector<Vec2>& line, Layout& layout) {
  add_boxes(line, 0.18, 0.13, Material::Curb, {176, 174, 168}, 0, layout);
  layout.elements.push_back({RoadType::Curb, false, 0.18, line});
}

void add_wall(const std::vector<Vec2>& line, double height, Rgb colour, Random& random, Layout& layout) {
  add_boxes(line, 0.24, height, Material::Wall, colour, static_cast<uint32_t>(random.bits()), layout);
  layout.elements.push_back({RoadType::Wall, false, 0.24, line});
}

void add_column(Vec2 centre, double yaw, double size, double height, Layout& layout) {
  const RotatedBox box = {centre.x, centre.y, size, size, within_half_turn(yaw)};
  layout.instances.push_back({InstanceType::Column, box});
  Actor actor;
  actor.type = ActorType::Pillar;
  actor.length = actor.width = size;
  actor.height = height;
  actor.position = centre;
  actor.yaw = yaw;
  layout.actors.push_back(actor);
}

void add_crosswalk(Vec2 centre, double road_heading, double across, double along, Layout& layout) {
  const Vec2 side = left_of(direction(road_heading));
  for (double d = -across / 2 + 0.4; d < across / 2; d += 0.95) {
    const Vec2 middle = centre + side * d;
    const auto corner = corners(RotatedBox{middle.x, middle.y, along, 0.45, road_heading});
    layout.paints.push_back({{corner.begin(), corner.end()}, {224, 224, 220}, 0.8f, 0.08f});
  }
  const auto outline = corners(RotatedBox{centre.x, centre.y, along, across, road_heading});
  layout.elements.push_back({RoadType::Crosswalk, true, 0, {outline.begin(), outline.end()}});
}

void add_stopline(Vec2 from, Vec2 to, Layout& layout) {
  const Vec2 edge = to - from, middle = (from + to) * 0.5;
  const auto outline = corners(RotatedBox{middle.x, middle.y, norm(edge), 0.4, std::atan2(edge.y, edge.x)});
  layout.paints.push_back({{outline.begin(), outline.end()}, {226, 226, 222}, 0.8f, 0.05f});
  layout.elements.push_back({RoadType::Stopline, true, 0, {outline.begin(), outline.end()}});
}

Actor make_actor(ActorType type, Vec2 position, double yaw, Random& random) {
  Actor actor;
  actor.type = type;
  actor.position = position;
  actor.yaw = yaw;
  actor.seed = static_cast<uint32_t>(random.bits());
  actor.colour = random_paintwork(random);
  const auto size = [&](double l, double w, double h, double spread) {
    const double f = 1 + random.uniform(-spread, spread);
    actor.length = l * f;
    actor.width = w * (1 + random.uniform(-spread, spread) / 2);
    actor.height = h * (1 + random.uniform(-spread, spread) / 2);
  };
  switch (type) {
    case ActorType::Car:
      random.chance(0.3) ? size(4.8, 1.95, 1.85, 0.06) : size(4.4, 1.8, 1.5, 0.08);
      break;
    case ActorType::Truck:
      size(7, 2.3, 2.9, 0.15);
      break;
    case ActorType::Bus:
      size(11, 2.55, 3.1, 0.06);
      break;
    case ActorType::Person:
      size(0.5, 0.55, 1.72, 0.1);
      break;
    case ActorType::NonMotor:
      size(1.75, 0.6, 1.7, 0.06);
      break;
    case ActorType::RiderlessNonMotor:
      size(1.75, 0.5, 1.05, 0.06);
      break;
    case ActorType::Barrier:
      size(1.5, 0.45, 0.95, 0.15);
      break;
    case ActorType::Pillar:
      size(0.5, 0.5, 2.8, 0.1);
  }
  return actor;
}

void add_stains(Random random, Layout& layout) {
  if (layout.ego_path.size() < 2) return;
  const double total = length(layout.ego_path);
  const auto place = [&](double side) {
    const PolylinePoint p = at_length(layout.ego_path, random.uniform(0, total));
    return std::pair{p.position + left_of(p.tangent) * random.uniform(-side, side),
                     std::atan2(p.tangent.y, p.tangent.x)};
  };
  const auto add = [&](RotatedBox box, float grey, float reflectivity) {
    const auto c = corners(box);
    layout.stains.push_back({{c.begin(), c.end()}, {grey, grey, grey}, reflectivity, 0});
  };
  for (int i = 0; i < 26; ++i) {  // patches of newer or older asphalt
    const auto [p, heading] = place(14);
    add({p.x, p.y, random.uniform(1, 7), random.uniform(0.6, 3), heading + random.uniform(-0.1, 0.1)},
        static_cast<float>(random.uniform(48, 100)), 0.12f);
  }
  for (int i = 0; i < 30; ++i) {  // tar seams
    const auto [p, heading] = place(12);
    const double turn = random.chance(0.5) ? 0 : pi / 2;
    add({p.x, p.y, random.uniform(2, 10), 0.06, heading + turn + random.uniform(-0.2, 0.2)}, 28, 0.05f);
  }
  for (int i = 0; i < 14; ++i) {  // tyre marks, in pairs
    const auto [p, heading] = place(6);
    const double bend = random.uniform(-0.25, 0.25), l = random.uniform(3, 9);
    for (double shift : {-0.75, 0.75}) {
      const Vec2 q = p + left_of(direction(heading + bend)) * shift;
      add({q.x, q.y, l, 0.2, heading + bend}, 44, 0.1f);
    }
  }
}

}  // namespace bevgrad::scene
