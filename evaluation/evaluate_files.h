// Evaluation of predictions that lie in a file, whoever made them: what `bevgrad eval` does.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "evaluation/evaluator.h"

namespace bevgrad {

/// Reads both HDF5 files frame by frame (so memory does not grow with them) and evaluates. The first dimension N counts
/// the frames and is the same in all datasets.
///
/// Predictions: `lane_logits` or `lane` (probabilities) [N,classes,H,W], `road_logits` or `road`, `instances` [N,max,6]
/// with `instance_scores` [N,max], `boxes` [N,max,11]: what `bevgrad predict` writes. Labels: `lane`, `road` (uint8: 0,
/// 1, 255; or bool), `visibility` (the same, [N,3,H,W]), `instances` [N,max,6], `boxes` [N,max,11] (score unused;
/// unused rows have class -1), `box_points` [N,max] (LiDAR returns in each box, -1: not known), `sequence` [N],
/// `timestamp` [N], `ego_pose` [N,4,4]; the attribute `val_set` of the root names the set. All but one raster pair (or
/// instances, or boxes) may be missing; without `sequence` all frames are one series, without `timestamp` they are
/// 0.1 s apart. Columns: docs/evaluation.md. Throws UsageError naming file and dataset where something does not fit.
/// `visit` sees every frame after it was counted.
Evaluator evaluate_files(const std::string& predictions, const std::string& labels, const EvaluationOptions& options,
                         const std::function<void(const EvaluationFrame&)>& visit = {});

/// Names that a user gave the layers of the rasters; empty: none were given.
struct GivenClasses {
  std::vector<std::string> lane, road;
};

/// Class lists and grid taken from the labels' rasters where `options` does not fit them: classes without a name are
/// called "class 0", ... The grid keeps its lower corner and its cell. For rasters of other people without a config.
/// Throws UsageError where there are more or fewer names than layers.
EvaluationOptions fitted_to(const std::string& labels, EvaluationOptions options, const GivenClasses& given = {});

}  // namespace bevgrad
