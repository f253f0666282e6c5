#include "scene/internal/scene_labels.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "geometry/polygon.h"
#include "geometry/polyline.h"
#include "internal/raster.h"

namespace bevgrad::scene {

namespace {

/// Index of a name in a list of classes, or -1.
int class_of(const char* name, const std::vector<std::string>& classes) {
  const auto found = std::find(classes.begin(), classes.end(), name);
  return found == classes.end() ? -1 : static_cast<int>(found - classes.begin());
}

struct Bounds {
  Vec2 low, high;

  bool holds(Vec2 p) const { return p.x >= low.x && p.x <= high.x && p.y >= low.y && p.y <= high.y; }
};

/// The part of a segment inside the bounds as parameters (Liang and Barsky); false where there is none.
bool clip_segment(Vec2 a, Vec2 b, const Bounds& bounds, double& t0, double& t1) {
  t0 = 0;
  t1 = 1;
  const double start[2] = {a.x, a.y}, delta[2] = {b.x - a.x, b.y - a.y};
  const double low[2] = {bounds.low.x, bounds.low.y}, high[2] = {bounds.high.x, bounds.high.y};
  for (int i = 0; i < 2; ++i) {
    if (delta[i] == 0) {
      if (start[i] < low[i] || start[i] > high[i]) return false;
      continue;
    }
    double enter = (low[i] - start[i]) / delta[i], leave = (high[i] - start[i]) / delta[i];
    if (enter > leave) std::swap(enter, leave);
    t0 = std::max(t0, enter);
    t1 = std::min(t1, leave);
  }
  return t0 < t1;
}

void clip_polyline(const LabelShape& shape, const Bounds& bounds, std::vector<LabelShape>& out) {
  LabelShape current = {shape.class_id, false, shape.width, {}};
  const auto finish = [&] {
    if (length(current.points) > 0.2) out.push_back(current);
    current.points.clear();
  };
  for (size_t i = 0; i + 1 < shape.points.size(); ++i) {
    const Vec2 a = shape.points[i], b = shape.points[i + 1];
    double t0, t1;
    if (!clip_segment(a, b, bounds, t0, t1)) {
      finish();
      continue;
    }
    if (t0 > 0 || current.points.empty()) {
      finish();
      current.points.push_back(a + (b - a) * t0);
    }
    current.points.push_back(a + (b - a) * t1);
    if (t1 < 1) finish();
  }
  finish();
}

/// Cuts by one edge of the bounds after the other; a concave polygon may keep edges that run along the bounds.
void clip_polygon(const LabelShape& shape, const Bounds& b, std::vector<LabelShape>& out) {
  const Vec2 corner[4] = {b.low, {b.high.x, b.low.y}, b.high, {b.low.x, b.high.y}};
  LabelShape result = shape;
  for (int i = 0; i < 4 && !result.points.empty(); ++i)
    result.points = clip_left_of(result.points, corner[i], corner[(i + 1) % 4]);
  if (result.points.size() >= 3 && std::abs(signed_area(result.points)) > 1e-4) out.push_back(std::move(result));
}

/// World frame -> ego frame on the ground.
struct GroundFrame {
  Vec2 place;
  double cosine, sine, yaw;

  explicit GroundFrame(const Pose& pose)
      : place{pose.translation().x, pose.translation().y},
        cosine(std::cos(pose.yaw())),
        sine(std::sin(pose.yaw())),
        yaw(pose.yaw()) {}
  Vec2 rotate(Vec2 d) const { return {cosine * d.x + sine * d.y, -sine * d.x + cosine * d.y}; }
  Vec2 apply(Vec2 p) const { return rotate(p - place); }
};

std::vector<LabelShape> shapes_in(const std::vector<LabelShape>& shapes, const GroundFrame& frame,
                                  const Bounds& bounds) {
  std::vector<LabelShape> result;
  const double reach = std::max(norm(bounds.low), norm(bounds.high)) + 1;
  for (const LabelShape& shape : shapes) {
    LabelShape local = {shape.class_id, shape.closed, shape.width, {}};
    bool near = false;
    for (Vec2 p : shape.points) {
      local.points.push_back(frame.apply(p));
      // Points of a shape are at most some metres apart, but those of walls and floors may be far.
      near = near || shape.closed || norm(local.points.back()) < reach + 60;
    }
    if (!near) continue;
    if (shape.closed)
      clip_polygon(local, bounds, result);
    else
      clip_polyline(local, bounds, result);
  }
  return result;
}

double half_turn(double angle) {
  constexpr double pi = std::numbers::pi;
  const double wrapped = wrap_angle(angle);
  return wrapped > pi / 2 ? wrapped - pi : wrapped <= -pi / 2 ? wrapped + pi : wrapped;
}

/// A parking slot's label says which way it leads in; a config that calls it symmetric folds that itself.
bool is_symmetric(const std::string& instance_class) {
  return instance_class == name(InstanceType::SpeedBump) || instance_class == name(InstanceType::Column);
}

}  // namespace

WorldLabels world_labels(const Layout& layout, const LabelSchema& schema, bool bridge_gaps) {
  WorldLabels world;
  for (const LaneMark& mark : layout.lane_marks) {
    const int id = class_of(name(mark.type), schema.lane_classes);
    if (id < 0) continue;
    for (Stripe& stripe : labelled_pieces(mark, bridge_gaps))
      world.lanes.push_back({id, false, stripe.width, std::move(stripe.line)});
  }
  for (const RoadElement& element : layout.elements) {
    const int id = class_of(name(element.type), schema.road_classes);
    if (id >= 0) world.roads.push_back({id, element.closed, element.width, element.points});
  }
  for (const StaticInstance& instance : layout.instances) {
    const int id = class_of(name(instance.type), schema.instance_classes);
    const RotatedBox& b = instance.box;
    if (id >= 0) world.instances.push_back({b.x, b.y, b.w, b.h, b.angle, id});
  }
  return world;
}

Labels labels_at(const WorldLabels& world, const Drive& drive, const DriveFrame& frame,
                 const std::vector<int>& lidar_hits, const LabelSchema& schema) {
  const LabelGrid& grid = schema.grid;
  const GroundFrame ego(frame.true_pose);
  const Bounds bounds = {{grid.x_min, grid.y_min}, {grid.x_max, grid.y_max}};
  Labels labels;
  labels.lane_shapes = shapes_in(world.lanes, ego, bounds);
  labels.road_shapes = shapes_in(world.roads, ego, bounds);
  labels.lane = draw_shapes(labels.lane_shapes, static_cast<int64_t>(schema.lane_classes.size()), grid);
  labels.road = draw_shapes(labels.road_shapes, static_cast<int64_t>(schema.road_classes.size()), grid);

  labels.has_instances = true;
  for (Instance instance : world.instances) {
    const Vec2 p = ego.apply({instance.x, instance.y});
    if (!bounds.holds(p)) continue;
    const double angle = instance.angle - ego.yaw;
    const bool symmetric = is_symmetric(schema.instance_classes[static_cast<size_t>(instance.class_id)]);
    labels.instances.push_back(
        {p.x, p.y, instance.w, instance.h, symmetric ? half_turn(angle) : wrap_angle(angle), instance.class_id});
  }

  labels.has_boxes = true;
  for (size_t i = 0; i < drive.actors.size(); ++i) {
    const Actor& actor = drive.actors[i];
    const ActorState& state = frame.actors[i];
    const int id = class_of(name(actor.type), schema.dynamic_classes);
    if (id < 0 || !state.present) continue;
    const Vec2 p = ego.apply(state.position), v = ego.rotate(state.velocity);
    if (!bounds.holds(p)) continue;
    labels.boxes.push_back({p.x, p.y, actor.height / 2, actor.length, actor.width, actor.height,
                            wrap_angle(state.yaw - ego.yaw), true, v.x, v.y, id, lidar_hits[i]});
  }
  return labels;
}

}  // namespace bevgrad::scene
