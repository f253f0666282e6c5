#include "internal/record/labels.h"

#include <algorithm>

#include "internal/raster.h"
#include "internal/record/attributes.h"
#include "internal/record/class_match.h"
#include "internal/record/number_checks.h"
#include "internal/record/raster.h"
#include "internal/record/voxels.h"

namespace bevgrad {

namespace {

using Names = google::protobuf::RepeatedPtrField<std::string>;

constexpr int kMaxItems = 100'000, kMaxShapePoints = 1'000'000;
constexpr double kFar = 1e5;  // metres

void check_count(int count, int most, const RecordOrigin& origin, const char* field) {
  check(count <= most, "{} has {} entries, expected at most {}", origin.at(field), count, most);
}

std::vector<LabelShape> load_shapes(const google::protobuf::RepeatedPtrField<records::Shape>& stored,
                                    const std::vector<int>& match, const AttributeReader* attributes,
                                    const RecordOrigin& origin, const char* list, const char* names) {
  check_count(stored.size(), kMaxItems, origin, list);
  std::vector<LabelShape> shapes;
  for (int s = 0; s < stored.size(); ++s) {
    const records::Shape& shape = stored[s];
    const int id = checked_class(shape.class_(), static_cast<int>(match.size()), origin, {list, s, "class"}, names);
    check(shape.xy_size() % 2 == 0 && shape.xy_size() >= 2 && shape.xy_size() <= 2 * kMaxShapePoints,
          "{} has {} coordinates, expected pairs", origin.at(std::string(ItemField{list, s, "xy"})), shape.xy_size());
    LabelShape out{match[static_cast<size_t>(id)],
                   shape.closed(),
                   checked_number(shape.width(), 0, kFar, origin, {list, s, "width"}),
                   {}};
    for (int i = 0; i < shape.xy_size(); i += 2)
      out.points.push_back({checked_number(shape.xy(i), -kFar, kFar, origin, {list, s, "xy", i}),
                            checked_number(shape.xy(i + 1), -kFar, kFar, origin, {list, s, "xy", i + 1})});
    if (attributes != nullptr) out.attributes = attributes->read(shape.attributes(), origin, {list, s, "attributes"});
    if (out.class_id >= 0) shapes.push_back(std::move(out));
  }
  return shapes;
}

/// The config's layers: those that the record names taken over, the others ignored everywhere.
Tensor arrange_layers(const Tensor& raster, const std::vector<int>& match, int64_t layers, const LabelGrid& grid) {
  const int64_t per_layer = grid.rows() * grid.columns();
  Tensor out = full({layers, grid.rows(), grid.columns()}, kIgnoreLabel, {.dtype = DType::UInt8});
  for (size_t i = 0; i < match.size(); ++i)
    if (match[i] >= 0)
      std::copy_n(raster.data<const uint8_t>() + static_cast<int64_t>(i) * per_layer, per_layer,
                  out.data<uint8_t>() + match[i] * per_layer);
  return out;
}

Tensor load_class_raster(bool has_raster, const records::Raster& stored, const std::vector<LabelShape>& shapes,
                         const std::vector<int>& match, const std::vector<std::string>& wanted, const LabelGrid& grid,
                         const RecordOrigin& origin, const char* field) {
  const auto layers = static_cast<int64_t>(wanted.size());
  if (has_raster) {
    Tensor raster = load_raster(stored, static_cast<int64_t>(match.size()), grid, origin, field);
    return arrange_layers(raster, match, layers, grid);
  }
  Tensor drawn = draw_shapes(shapes, layers, grid);
  for (int64_t layer = 0; layer < layers; ++layer)
    if (std::find(match.begin(), match.end(), static_cast<int>(layer)) == match.end())
      std::fill_n(drawn.data<uint8_t>() + layer * grid.rows() * grid.columns(), grid.rows() * grid.columns(),
                  kIgnoreLabel);
  return drawn;
}

Instance load_instance(const records::Instance& stored, int index, int class_id, const RecordOrigin& origin) {
  const auto field = [&](const char* name) { return ItemField{"instances", index, name}; };
  Instance out;
  out.class_id = class_id;
  out.x = checked_number(stored.x(), -kFar, kFar, origin, field("x"));
  out.y = checked_number(stored.y(), -kFar, kFar, origin, field("y"));
  out.w = checked_number(stored.w(), 1e-6, kFar, origin, field("w"));
  out.h = checked_number(stored.h(), 1e-6, kFar, origin, field("h"));
  out.angle = wrap_angle(checked_angle(stored.angle(), origin, field("angle")));
  return out;
}

Box3d load_box(const records::Box& stored, int index, int class_id, const RecordOrigin& origin) {
  const auto field = [&](const char* name) { return ItemField{"boxes", index, name}; };
  Box3d out;
  out.class_id = class_id;
  out.x = checked_number(stored.x(), -kFar, kFar, origin, field("x"));
  out.y = checked_number(stored.y(), -kFar, kFar, origin, field("y"));
  out.z = checked_number(stored.z(), -kFar, kFar, origin, field("z"));
  out.l = checked_number(stored.length(), 1e-6, kFar, origin, field("length"));
  out.w = checked_number(stored.width(), 1e-6, kFar, origin, field("width"));
  out.h = checked_number(stored.height(), 1e-6, kFar, origin, field("height"));
  out.yaw = wrap_angle(checked_angle(stored.yaw(), origin, field("yaw")));
  out.has_velocity = stored.has_vx() && stored.has_vy();
  if (out.has_velocity) {
    out.vx = checked_number(stored.vx(), -1e3, 1e3, origin, field("vx"));
    out.vy = checked_number(stored.vy(), -1e3, 1e3, origin, field("vy"));
  }
  if (stored.has_num_lidar_points()) {
    check(stored.num_lidar_points() >= 0, "{} is {}, expected 0 or more",
          origin.at(std::string(field("num_lidar_points"))), stored.num_lidar_points());
    out.num_lidar_points = stored.num_lidar_points();
  }
  if (stored.has_track()) {
    check(stored.track() >= 0, "{} is {}, expected 0 or more", origin.at(std::string(field("track"))), stored.track());
    out.track = stored.track();
  }
  return out;
}

void store_shapes(const std::vector<LabelShape>& shapes, const std::vector<AttributeKind>& kinds,
                  google::protobuf::RepeatedPtrField<records::Shape>* out) {
  for (const LabelShape& shape : shapes) {
    records::Shape* stored = out->Add();
    stored->set_class_(static_cast<uint32_t>(shape.class_id));
    stored->set_closed(shape.closed);
    stored->set_width(static_cast<float>(shape.width));
    for (Vec2 p : shape.points) {
      stored->add_xy(static_cast<float>(p.x));
      stored->add_xy(static_cast<float>(p.y));
    }
    store_attributes(shape.attributes, kinds, "labels.lane_shapes", stored->mutable_attributes());
  }
}

void store_instance(const Instance& instance, records::Instance* out) {
  out->set_class_(static_cast<uint32_t>(instance.class_id));
  out->set_x(static_cast<float>(instance.x));
  out->set_y(static_cast<float>(instance.y));
  out->set_w(static_cast<float>(instance.w));
  out->set_h(static_cast<float>(instance.h));
  out->set_angle(static_cast<float>(instance.angle));
}

void store_box(const Box3d& box, const std::vector<AttributeKind>& kinds, records::Box* out) {
  out->set_class_(static_cast<uint32_t>(box.class_id));
  out->set_x(static_cast<float>(box.x));
  out->set_y(static_cast<float>(box.y));
  out->set_z(static_cast<float>(box.z));
  out->set_length(static_cast<float>(box.l));
  out->set_width(static_cast<float>(box.w));
  out->set_height(static_cast<float>(box.h));
  out->set_yaw(static_cast<float>(box.yaw));
  if (box.has_velocity) {
    out->set_vx(static_cast<float>(box.vx));
    out->set_vy(static_cast<float>(box.vy));
  }
  if (box.num_lidar_points >= 0) out->set_num_lidar_points(box.num_lidar_points);
  store_attributes(box.attributes, kinds, "labels.boxes", out->mutable_attributes());
  if (box.track >= 0) out->set_track(box.track);
}

template <class Items>
bool any_attributes(const Items& items) {
  return std::any_of(items.begin(), items.end(), [](const auto& item) { return !item.attributes.empty(); });
}

void store_names(const std::vector<std::string>& names, Names* out) {
  out->Assign(names.begin(), names.end());
}

}  // namespace

void store_labels(const Labels& labels, const LabelSchema& schema, records::Labels* out) {
  if (labels.lane.defined() || !labels.lane_shapes.empty())
    store_names(schema.lane_classes, out->mutable_lane_classes());
  if (labels.road.defined() || !labels.road_shapes.empty())
    store_names(schema.road_classes, out->mutable_road_classes());
  if (labels.lane.defined()) store_raster(labels.lane, schema.grid, "labels.lane", out->mutable_lane());
  if (labels.road.defined()) store_raster(labels.road, schema.grid, "labels.road", out->mutable_road());
  if (labels.visibility.defined())
    store_raster(labels.visibility, schema.grid, "labels.visibility", out->mutable_visibility());
  store_shapes(labels.lane_shapes, schema.lane_attributes, out->mutable_lane_shapes());
  store_shapes(labels.road_shapes, {}, out->mutable_road_shapes());
  if (any_attributes(labels.lane_shapes)) store_attribute_kinds(schema.lane_attributes, out->mutable_lane_attributes());
  if (labels.has_instances) store_names(schema.instance_classes, out->mutable_instance_classes());
  if (labels.has_boxes) store_names(schema.dynamic_classes, out->mutable_dynamic_classes());
  if (any_attributes(labels.boxes)) store_attribute_kinds(schema.box_attributes, out->mutable_box_attributes());
  for (const Instance& instance : labels.instances) store_instance(instance, out->add_instances());
  for (const Box3d& box : labels.boxes) store_box(box, schema.box_attributes, out->add_boxes());
  store_voxels(labels, schema, out);
}

Labels load_labels(const records::Labels& stored, const LabelSchema& schema, const RecordOrigin& origin) {
  Labels labels;
  auto lanes = match_classes(stored.lane_classes(), schema.lane_classes, origin, "lane_classes");
  auto roads = match_classes(stored.road_classes(), schema.road_classes, origin, "road_classes");
  auto kinds = match_classes(stored.instance_classes(), schema.instance_classes, origin, "instance_classes");
  auto movers = match_classes(stored.dynamic_classes(), schema.dynamic_classes, origin, "dynamic_classes");
  const AttributeReader of_boxes(stored.box_attributes(), schema.box_attributes, origin, "box_attributes"),
      of_lanes(stored.lane_attributes(), schema.lane_attributes, origin, "lane_attributes");

  labels.lane_shapes = load_shapes(stored.lane_shapes(), lanes, &of_lanes, origin, "lane_shapes", "lane_classes");
  labels.road_shapes = load_shapes(stored.road_shapes(), roads, nullptr, origin, "road_shapes", "road_classes");
  labels.lane = load_class_raster(stored.has_lane(), stored.lane(), labels.lane_shapes, lanes, schema.lane_classes,
                                  schema.grid, origin, "lane");
  labels.road = load_class_raster(stored.has_road(), stored.road(), labels.road_shapes, roads, schema.road_classes,
                                  schema.grid, origin, "road");
  if (stored.has_visibility())
    labels.visibility = load_raster(stored.visibility(), kVisibilityLayers, schema.grid, origin, "visibility");

  labels.has_instances = any_matched(kinds);
  check_count(stored.instances_size(), kMaxItems, origin, "instances");
  for (int i = 0; i < stored.instances_size(); ++i) {
    const records::Instance& instance = stored.instances(i);
    const int id = checked_class(instance.class_(), static_cast<int>(kinds.size()), origin, {"instances", i, "class"},
                                 "instance_classes");
    Instance loaded = load_instance(instance, i, kinds[static_cast<size_t>(id)], origin);
    if (loaded.class_id >= 0) labels.instances.push_back(loaded);
  }
  labels.has_boxes = any_matched(movers);
  check_count(stored.boxes_size(), kMaxItems, origin, "boxes");
  for (int i = 0; i < stored.boxes_size(); ++i) {
    const records::Box& box = stored.boxes(i);
    const int id =
        checked_class(box.class_(), static_cast<int>(movers.size()), origin, {"boxes", i, "class"}, "dynamic_classes");
    Box3d loaded = load_box(box, i, movers[static_cast<size_t>(id)], origin);
    loaded.attributes = of_boxes.read(box.attributes(), origin, {"boxes", i, "attributes"});
    if (loaded.class_id >= 0) labels.boxes.push_back(std::move(loaded));
  }
  load_voxels(stored, schema, origin, labels);
  return labels;
}

}  // namespace bevgrad
