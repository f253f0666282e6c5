#include "tasks/static_map/options.h"

#include <algorithm>

#include "base/near_names.h"

namespace bevgrad {
namespace {

using configs::Judge;
using google::protobuf::RepeatedField;

template <class Names>
std::vector<std::string> list_of(const Names& names) {
  return {names.begin(), names.end()};
}

void judge_head(const Judge& judge, const config::StaticHead& head) {
  judge.count("network.static_head.up1_channels", head.up1_channels(), 1, 4096);
  judge.count("network.static_head.up2_channels", head.up2_channels(), 1, 4096);
  judge.names("network.static_head.lane_classes", head.lane_classes());
  judge.names("network.static_head.road_classes", head.road_classes());
  judge.names("network.static_head.instance_classes", head.instance_classes());
  const std::vector<std::string> classes = list_of(head.instance_classes());
  for (int i = 0; i < head.symmetric_classes_size(); ++i) {
    judge.require(std::ranges::find(classes, head.symmetric_classes(i)) != classes.end(),
                  fmt::format("network.static_head.symmetric_classes[{}]", i), "\"{}\" is none of instance_classes{}",
                  head.symmetric_classes(i), did_you_mean(head.symmetric_classes(i), classes));
  }
  judge.count("network.static_head.max_instances", head.max_instances(), 1, 10000);
  judge.probability("network.static_head.score_threshold", head.score_threshold());
  judge.probability("network.static_head.nms_iou", head.nms_iou());
}

void judge_class_weights(const Judge& judge, const std::string& field, const RepeatedField<double>& weights,
                         int classes) {
  judge.require(weights.empty() || weights.size() == classes, field, "{} values for {} classes", weights.size(),
                classes);
  for (int i = 0; i < weights.size(); ++i) judge.not_negative(fmt::format("{}[{}]", field, i), weights[i]);
}

void judge_loss(const Judge& judge, const config::Loss& loss, const config::StaticHead& head) {
  judge.within("loss.focal_alpha", loss.focal_alpha(), 0.0, 1.0);
  judge.within("loss.focal_gamma", loss.focal_gamma(), 0.0, 16.0);
  const std::pair<const char*, double> weights[] = {{"loss.static_weight", loss.static_weight()},
                                                    {"loss.lane_focal", loss.lane_focal()},
                                                    {"loss.lane_dice", loss.lane_dice()},
                                                    {"loss.lane_any_focal", loss.lane_any_focal()},
                                                    {"loss.lane_any_dice", loss.lane_any_dice()},
                                                    {"loss.lane_type", loss.lane_type()},
                                                    {"loss.road_focal", loss.road_focal()},
                                                    {"loss.road_dice", loss.road_dice()},
                                                    {"loss.instance_heatmap", loss.instance_heatmap()},
                                                    {"loss.instance_box", loss.instance_box()}};
  for (const auto& [field, weight] : weights) judge.not_negative(field, weight);
  judge.within("loss.class_weight_power", loss.class_weight_power(), 0.0, 4.0);
  judge_class_weights(judge, "loss.lane_class_weights", loss.lane_class_weights(), head.lane_classes_size());
  judge_class_weights(judge, "loss.road_class_weights", loss.road_class_weights(), head.road_classes_size());
}

void judge_evaluation(const Judge& judge, const config::Eval& eval, const config::StaticHead& head) {
  for (int i = 0; i < eval.series_eval_conf_size(); ++i)
    judge.probability(fmt::format("eval.series_eval_conf[{}]", i), eval.series_eval_conf(i));
  judge.positive("eval.series_dis_thresh", eval.series_dis_thresh());
  std::set<std::string> names;
  for (int i = 0; i < eval.ranges_size(); ++i) {
    const config::EvalRange& range = eval.ranges(i);
    const std::string at = fmt::format("eval.ranges[{}]", i);
    judge.require(!range.name().empty(), at + ".name", "the name is empty");
    judge.require(names.insert(range.name()).second, at + ".name", "\"{}\" is there twice", range.name());
    judge.require(range.y_min() < range.y_max(), at + ".y_max", "{} is not above y_min {}", range.y_max(),
                  range.y_min());
    judge.require(range.x_min() < range.x_max(), at + ".x_max", "{} is not above x_min {}", range.x_max(),
                  range.x_min());
  }
  // Wall and Curb, the default, need not be among the classes of a config that has others.
  const std::vector<std::string> classes = list_of(head.road_classes());
  for (int i = 0; i < eval.line_classes_size(); ++i) {
    const std::string& name = eval.line_classes(i);
    judge.require(std::ranges::find(classes, name) != classes.end() || name == "Wall" || name == "Curb",
                  fmt::format("eval.line_classes[{}]", i), "\"{}\" is none of road_classes{}", name,
                  did_you_mean(name, classes));
  }
  judge.probability("eval.instance_iou", eval.instance_iou());
  judge.probability("eval.iou_threshold", eval.iou_threshold());
}

void judge_drawing(const Judge& judge, const config::Drawing& drawing) {
  const std::pair<const char*, double> thresholds[] = {{"drawing.lane_threshold", drawing.lane_threshold()},
                                                       {"drawing.road_threshold", drawing.road_threshold()},
                                                       {"drawing.freespace_threshold", drawing.freespace_threshold()},
                                                       {"drawing.stopline_threshold", drawing.stopline_threshold()},
                                                       {"drawing.crosswalk_threshold", drawing.crosswalk_threshold()},
                                                       {"drawing.querylane_threshold", drawing.querylane_threshold()}};
  for (const auto& [field, threshold] : thresholds) judge.probability(field, threshold);
  judge.count("drawing.querylane_points_num", drawing.querylane_points_num(), 2, 10000);
}

}  // namespace

StaticHeadOptions static_head_options(const config::Config& proto) {
  const config::StaticHead& head = proto.network().static_head();
  return {.up1_channels = head.up1_channels(),
          .up2_channels = head.up2_channels(),
          .lane_classes = head.lane_classes_size(),
          .road_classes = head.road_classes_size(),
          .instance_classes = head.instance_classes_size()};
}

InstanceDecodeOptions instance_decode_options(const config::Config& proto) {
  const config::StaticHead& head = proto.network().static_head();
  InstanceDecodeOptions options;
  options.x_min = proto.grid().pc_range(0);
  options.y_min = proto.grid().pc_range(1);
  options.cell = proto.grid().bev_cell() / 2;
  options.max_instances = head.max_instances();
  options.score_threshold = static_cast<float>(head.score_threshold());
  options.nms_iou = head.nms_iou();
  options.symmetric.clear();
  for (const std::string& name : head.instance_classes())
    options.symmetric.push_back(std::ranges::find(head.symmetric_classes(), name) != head.symmetric_classes().end());
  return options;
}

void judge_static_map(const Judge& judge, const config::Config& proto) {
  const config::StaticHead& head = proto.network().static_head();
  judge_head(judge, head);
  judge_loss(judge, proto.loss(), head);
  judge_evaluation(judge, proto.eval(), head);
  judge_drawing(judge, proto.drawing());
}

void add_static_map(EvaluationOptions& options, const config::Config& proto) {
  const config::Eval& eval = proto.eval();
  options.iou_threshold = static_cast<float>(eval.iou_threshold());
  options.series_eval = eval.static_series_eval();
  options.series_conf.assign(eval.series_eval_conf().begin(), eval.series_eval_conf().end());
  options.series_distance = eval.series_dis_thresh();
  options.ranges.clear();
  for (const config::EvalRange& range : eval.ranges())
    options.ranges.push_back({range.name(), range.y_min(), range.y_max(), range.x_min(), range.x_max()});
  options.line_classes = list_of(eval.line_classes());
  options.chamfer_ap = eval.eval_chamfer();
  options.lane_vector_threshold = static_cast<float>(proto.drawing().querylane_threshold());
  options.lane_vector_points = proto.drawing().querylane_points_num();
  options.instance_ap = eval.eval_instance();
  options.instance_iou = eval.instance_iou();
}

void add_static_map(DrawingOptions& options, const config::Config& proto) {
  const config::Drawing& drawing = proto.drawing();
  options.lane_threshold = static_cast<float>(drawing.lane_threshold());
  options.road_threshold = static_cast<float>(drawing.road_threshold());
  options.freespace_threshold = static_cast<float>(drawing.freespace_threshold());
  options.stopline_threshold = static_cast<float>(drawing.stopline_threshold());
  options.crosswalk_threshold = static_cast<float>(drawing.crosswalk_threshold());
  options.lane_vector_threshold = static_cast<float>(drawing.querylane_threshold());
  options.lane_vector_points = drawing.querylane_points_num();
}

}  // namespace bevgrad
