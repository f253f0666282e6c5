// What a list holds where a config does not say. The scalars' defaults are in config.proto.
#include <initializer_list>

#include "configs/load.h"

namespace bevgrad::configs {
namespace {

template <class Field, class Value>
void fill(Field* field, std::initializer_list<Value> values) {
  if (field->empty()) {
    for (const Value& value : values) *field->Add() = value;
  }
}

void fill_ranges(config::Eval& eval) {
  if (eval.ranges_size() > 0) return;
  struct Range {
    const char* name;
    double y_min, y_max, x_min, x_max;
  };
  for (const Range& range :
       {Range{"all", -22.4, 22.4, -20.8, 62.4}, Range{"main", -8, 8, -20, 120}, Range{"main_near", -8, 8, 0, 30},
        Range{"main_middle", -8, 8, 30, 60}, Range{"main_far", -8, 8, 60, 120}}) {
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
  config::Lidar& lidar = *network.mutable_lidar();
  fill(lidar.mutable_layers(), {3, 5, 5});
  fill(lidar.mutable_channels(), {64, 128, 256});
  config::StaticHead& head = *network.mutable_static_head();
  fill(head.mutable_lane_classes(),
       {"SolidLine", "DoubleSolidLine", "DashedLine", "DoubleDashedLine", "RightSolidLeftDashed",
        "LeftSolidRightDashed", "WideSolidLine", "WideDashedLine", "ShortDashedLine"});
  fill(head.mutable_road_classes(), {"Wall", "Curb", "SpeedBump", "GroundSigns"});
  if (head.instance_classes().empty()) {
    fill(head.mutable_instance_classes(), {"SpeedBump", "GroundSign", "ParkingSlot", "Column"});
    fill(head.mutable_symmetric_classes(), {"SpeedBump", "ParkingSlot", "Column"});
  }
  fill(network.mutable_dynamic_head()->mutable_classes(),
       {"car", "truck", "bus", "person", "non_motor", "riderless_non_motor", "barrier", "pillar"});
}

}  // namespace

void fill_defaults(config::Config& proto) {
  proto.mutable_tasks();
  fill(proto.mutable_grid()->mutable_pc_range(), {-20.8, -22.4, -3.0, 62.4, 22.4, 5.0});
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
  proto.mutable_feature_cache();
}

}  // namespace bevgrad::configs
