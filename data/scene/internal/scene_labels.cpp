#include "scene/internal/scene_labels.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "base/plain_name.h"
#include "data/clip_shapes.h"
#include "internal/raster.h"
#include "scene/internal/signals.h"

namespace bevgrad::scene {

namespace {

/// Index of a name, however it is written, in a list of classes, or -1.
int class_of(const char* name, const std::vector<std::string>& classes) {
  const std::string plain = plain_name(name);
  for (size_t i = 0; i < classes.size(); ++i)
    if (plain_name(classes[i]) == plain) return static_cast<int>(i);
  return -1;
}

/// Classes that no scene has are not labelled, which differs from "there is none".
template <class Type>
void ignore_unknown(const std::vector<std::string>& classes, int types, Tensor& raster) {
  std::vector<bool> known(classes.size(), false);
  for (int t = 0; t < types; ++t)
    if (const int id = class_of(name(static_cast<Type>(t)), classes); id >= 0) known[static_cast<size_t>(id)] = true;
  const int64_t cells = raster.size(1) * raster.size(2);
  for (size_t c = 0; c < classes.size(); ++c)
    if (!known[c]) std::fill_n(raster.data<uint8_t>() + static_cast<int64_t>(c) * cells, cells, kIgnoreLabel);
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
                                  const GroundBounds& bounds) {
  std::vector<LabelShape> result;
  const double reach = std::max(norm(bounds.low), norm(bounds.high)) + 1;
  for (const LabelShape& shape : shapes) {
    LabelShape local = {shape.class_id, shape.closed, shape.width, {}, shape.attributes};
    bool near = false;
    for (Vec2 p : shape.points) {
      local.points.push_back(frame.apply(p));
      // Points of a shape are at most some metres apart, but those of walls and floors may be far.
      near = near || shape.closed || norm(local.points.back()) < reach + 60;
    }
    if (!near) continue;
    clip_shape(local, bounds, result);
  }
  return result;
}

double half_turn(double angle) {
  constexpr double pi = std::numbers::pi;
  const double wrapped = wrap_angle(angle);
  return wrapped > pi / 2 ? wrapped - pi : wrapped <= -pi / 2 ? wrapped + pi : wrapped;
}

std::vector<int> attributes_of(const Actor& actor, const ActorState& state, const std::vector<AttributeKind>& kinds) {
  std::vector<int> attributes;
  const auto say = [&](const char* kind, const char* value) { set_attribute(kinds, kind, value, &attributes); };
  const bool is_cycle = actor.type == ActorType::NonMotor || actor.type == ActorType::RiderlessNonMotor;
  if (is_cycle) say("rider", actor.type == ActorType::NonMotor ? "present" : "none");
  if (actor.type == ActorType::Barrier || actor.type == ActorType::Pillar) return attributes;
  say("motion", actor.motion.path.size() < 2 ? "parked" : norm(state.velocity) < kStandingSpeed ? "stopped" : "moving");
  if ((state.lamps & kLampsShown) == 0) return attributes;
  const bool left = (state.lamps & kLeftLamps) != 0, right = (state.lamps & kRightLamps) != 0;
  say("brake_light", (state.lamps & kBrakeLamps) != 0 ? "on" : "off");
  say("turn_light", left && right ? "hazard" : left ? "left" : right ? "right" : "off");
  // Those of trucks and buses are never opened.
  if (actor.type == ActorType::Car) say("door", state.door != 0 ? "open" : "closed");
  return attributes;
}

/// A parking slot's label says which way it leads in; a config that calls it symmetric folds that itself.
bool is_symmetric(const std::string& instance_class) {
  const std::string plain = plain_name(instance_class);
  return plain == plain_name(name(InstanceType::SpeedBump)) || plain == plain_name(name(InstanceType::Column));
}

}  // namespace

WorldLabels world_labels(const Layout& layout, const LabelSchema& schema, bool bridge_gaps) {
  WorldLabels world;
  for (const LaneMark& mark : layout.lane_marks) {
    const int id = class_of(name(mark.type), schema.lane_classes);
    if (id < 0) continue;
    std::vector<int> attributes;
    set_attribute(schema.lane_attributes, "color", mark.colour.b < mark.colour.r / 2 ? "yellow" : "white", &attributes);
    for (Stripe& stripe : labelled_pieces(mark, bridge_gaps))
      world.lanes.push_back({id, false, stripe.width, std::move(stripe.line), attributes});
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
  const GroundBounds bounds = bounds_of(grid);
  Labels labels;
  labels.lane_shapes = shapes_in(world.lanes, ego, bounds);
  labels.road_shapes = shapes_in(world.roads, ego, bounds);
  labels.lane = draw_shapes(labels.lane_shapes, static_cast<int64_t>(schema.lane_classes.size()), grid);
  labels.road = draw_shapes(labels.road_shapes, static_cast<int64_t>(schema.road_classes.size()), grid);

  ignore_unknown<LaneType>(schema.lane_classes, kLaneTypes, labels.lane);
  ignore_unknown<RoadType>(schema.road_classes, kRoadTypes, labels.road);

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
                            wrap_angle(state.yaw - ego.yaw), true, v.x, v.y, id, lidar_hits[i],
                            attributes_of(actor, state, schema.box_attributes), static_cast<int64_t>(i)});
  }
  return labels;
}

}  // namespace bevgrad::scene
