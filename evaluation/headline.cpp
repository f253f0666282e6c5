#include "evaluation/headline.h"

namespace bevgrad {

const std::vector<HeadlineFigure>& headline_figures() {
  static const std::vector<HeadlineFigure> figures = {
      {"miou", "IoU, lanes and road", "the mean of the lanes' and the road's mean IoU"},
      {"lane_miou", "IoU, lane types", "mean IoU over the lane types that occur, at eval.iou_threshold"},
      {"road_miou", "IoU, road", "mean IoU over the road classes that occur, at eval.iou_threshold"},
      {"miou_hidden", "IoU where hidden now", "as miou, over cells that are hidden now but were seen in the window"},
      {"lane_miou_hidden", "IoU, lane types, hidden now", "as lane_miou, over cells that are hidden now"},
      {"road_miou_hidden", "IoU, road, hidden now", "as road_miou, over cells that are hidden now"},
      {"lane_f1", "F1, any lane mark, fixed threshold",
       "F1 within the tolerance of any mark against any, in the first range, at the last of eval.series_eval_conf"},
      {"instance_map", "AP, static instances", "mean AP by rotated IoU over the classes that occur"},
      {"dynamic_map", "AP, 3-D boxes", "mean nuScenes AP over the classes that occur and all distances"}};
  return figures;
}

}  // namespace bevgrad
