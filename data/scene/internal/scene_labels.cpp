#include "scene/internal/scene_labels.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "data/clip_shapes.h"
#include "internal/raster.h"

namespace bevgrad::scene {

namespace {

/// Index of a name in a list of classes, or -1.
int class_of(const char* name, const std::vector<std::string>& classes) {
  const auto found = std::find(classes.begin(), classes.end(), name);
  return found == classes.end() ? -1 : static_cast<int>(found - classes.begin());
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
    LabelShape local = {shape.class_id, shape.closed, shape.width, {}};
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
  const GroundBounds bounds = bounds_of(grid);
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
                            wrap_angle(state.yaw - ego.yaw), true, v.x, v.y, id, lidar_hits[i],
                            static_cast<int64_t>(i)});
  }
  return labels;
}

}  // namespace bevgrad::scene
