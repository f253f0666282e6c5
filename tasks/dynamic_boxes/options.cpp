#include "tasks/dynamic_boxes/options.h"

namespace bevgrad {

DynamicHeadOptions dynamic_head_options(const config::Config& proto) {
  const config::DynamicHead& head = proto.network().dynamic_head();
  return {.channels = head.channels(), .classes = head.classes_size()};
}

BoxDecodeOptions box_decode_options(const config::Config& proto) {
  const config::DynamicHead& head = proto.network().dynamic_head();
  BoxDecodeOptions options;
  options.x_min = proto.grid().pc_range(0);
  options.y_min = proto.grid().pc_range(1);
  options.cell = proto.grid().bev_cell();
  options.max_boxes = head.max_boxes();
  options.score_threshold = static_cast<float>(head.score_threshold());
  options.nms_iou = head.nms_iou();
  return options;
}

void judge_dynamic_boxes(const configs::Judge& judge, const config::Config& proto) {
  const config::DynamicHead& head = proto.network().dynamic_head();
  judge.count("network.dynamic_head.channels", head.channels(), 1, 4096);
  judge.names("network.dynamic_head.classes", head.classes());
  judge.count("network.dynamic_head.max_boxes", head.max_boxes(), 1, 10000);
  judge.probability("network.dynamic_head.score_threshold", head.score_threshold());
  judge.probability("network.dynamic_head.nms_iou", head.nms_iou());
  judge.positive("eval.track_distance", proto.eval().track_distance());
  judge.count("eval.track_max_age", proto.eval().track_max_age(), 0, 1000);
  judge.not_negative("loss.dynamic_weight", proto.loss().dynamic_weight());
  judge.not_negative("loss.dynamic_heatmap", proto.loss().dynamic_heatmap());
  judge.not_negative("loss.dynamic_box", proto.loss().dynamic_box());
}

void add_dynamic_boxes(EvaluationOptions& options, const config::Config& proto) {
  options.dynamic_ap = proto.eval().eval_dynamic();
  options.tracking = proto.eval().eval_tracking();
  options.tracks = {.distance = proto.eval().track_distance(), .max_age = proto.eval().track_max_age()};
}

}  // namespace bevgrad
