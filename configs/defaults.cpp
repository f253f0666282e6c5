// What a list holds where a config does not say. The scalars' defaults are in config.proto.
#include "base/full_size.h"
#include "configs/load.h"

namespace bevgrad::configs {
namespace {

template <class Field, class Value, size_t kCount>
void fill(Field* field, const Value (&values)[kCount]) {
  if (field->empty()) {
    for (const Value& value : values) *field->Add() = value;
  }
}

void fill_ranges(config::Eval& eval) {
  if (eval.ranges_size() > 0) return;
  for (const full_size::Range& range : full_size::kEvaluationRanges) {
    config::EvalRange& added = *eval.add_ranges();
    added.set_name(range.name);
    added.set_y_min(range.y_min);
    added.set_y_max(range.y_max);
    added.set_x_min(range.x_min);
    added.set_x_max(range.x_max);
  }
}

void fill_network(config::Network& network) {
  fill(network.mutable_backbone_blocks(), {3, 4, 6, 3});
  fill(network.mutable_view_heights(), {-0.5, 0.0, 0.5, 1.5});
  fill(network.mutable_regnet()->mutable_depths(), {1, 3, 6, 6});
  fill(network.mutable_regnet()->mutable_widths(), {48, 104, 208, 440});
  fill(network.mutable_convnext()->mutable_depths(), {3, 3, 9, 3});
  fill(network.mutable_convnext()->mutable_widths(), {96, 192, 384, 768});
  config::Lidar& lidar = *network.mutable_lidar();
  fill(lidar.mutable_layers(), {3, 5, 5});
  fill(lidar.mutable_channels(), {64, 128, 256});
  config::StaticHead& head = *network.mutable_static_head();
  fill(head.mutable_lane_classes(), full_size::kLaneClasses);
  fill(head.mutable_road_classes(), full_size::kRoadClasses);
  if (head.instance_classes().empty()) {
    fill(head.mutable_instance_classes(), full_size::kInstanceClasses);
    fill(head.mutable_symmetric_classes(), full_size::kSymmetricClasses);
  }
  fill(network.mutable_dynamic_head()->mutable_classes(), full_size::kDynamicClasses);
}

void fill_occupancy(config::OccupancyTask& task) {
  if (!task.classes().empty()) return;
  fill(task.mutable_classes(), full_size::kVoxelClasses);
  fill(task.mutable_drivable_classes(), full_size::kDrivableClasses);
}

template <size_t kCount>
void fill_kinds(google::protobuf::RepeatedPtrField<config::AttributeKind>* kinds,
                const full_size::Attribute (&attributes)[kCount]) {
  for (const full_size::Attribute& attribute : attributes) {
    config::AttributeKind& kind = *kinds->Add();
    kind.set_name(attribute.name);
    for (const char* value : attribute.values)
      if (value != nullptr) kind.add_values(value);
    for (const char* of : attribute.classes)
      if (of != nullptr) kind.add_classes(of);
  }
}

void fill_attributes(config::AttributeTask& task) {
  if (!task.boxes().empty() || !task.lanes().empty()) return;
  fill_kinds(task.mutable_boxes(), full_size::kBoxAttributes);
  fill_kinds(task.mutable_lanes(), full_size::kLaneAttributes);
}

}  // namespace

void fill_defaults(config::Config& proto) {
  fill_occupancy(*proto.mutable_tasks()->mutable_occupancy());
  fill_attributes(*proto.mutable_tasks()->mutable_attributes());
  fill(proto.mutable_grid()->mutable_pc_range(),
       {full_size::kXMin, full_size::kYMin, full_size::kZMin, full_size::kXMax, full_size::kYMax, full_size::kZMax});
  config::Sensors& sensors = *proto.mutable_sensors();
  fill(sensors.mutable_mean(), {128.0});
  fill(sensors.mutable_std(), {1.0});
  for (config::CameraGroup& group : *sensors.mutable_groups()) fill(group.mutable_taps(), {2, 3, 4});
  fill_network(*proto.mutable_network());
  fill(proto.mutable_temporal()->mutable_intervals(), {0.7, 1.9, 3.3});
  fill(proto.mutable_temporal()->mutable_distances(), {1, 5, 10});
  proto.mutable_loss();
  config::Train& train = *proto.mutable_train();
  if (train.group_lr_scale().empty()) {
    for (const char* prefix : {"stage1_backbone", "stage1_neck"}) {
      config::GroupLrScale& scale = *train.add_group_lr_scale();
      scale.set_prefix(prefix);
      scale.set_scale(1.0);
    }
  }
  fill(train.mutable_train_milestones(), {0.65, 0.9});
  fill(train.mutable_finetune_milestones(), {0.65, 0.9});
  proto.mutable_data();
  proto.mutable_augmentation()->mutable_pictures();
  proto.mutable_augmentation()->mutable_ground();
  config::Eval& eval = *proto.mutable_eval();
  fill(eval.mutable_series_eval_conf(), {0.9, 0.85, 0.8, 0.75, 0.7});
  fill_ranges(eval);
  fill(eval.mutable_line_classes(), {"Wall", "Curb"});
  proto.mutable_drawing()->mutable_temporal_visualization();
  proto.mutable_generator();
  proto.mutable_int8();
  proto.mutable_feature_cache();
}

}  // namespace bevgrad::configs
