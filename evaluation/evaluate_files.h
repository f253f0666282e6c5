// Evaluation of predictions that lie in a file, whoever made them: what `bevgrad eval` does.
#pragma once
#include <functional>
#include <string>

#include "evaluation/evaluator.h"

namespace bevgrad {

/// Reads both HDF5 files frame by frame (so memory does not grow with them) and evaluates. The first dimension N counts
/// the frames and is the same in all datasets.
///
/// Predictions: `lane_logits` or `lane` (probabilities) [N,classes,H,W], `road_logits` or `road`, `instances` [N,max,6]
/// with `instance_scores` [N,max], `boxes` [N,max,11]: what `bevgrad predict` writes. Labels: `lane`, `road` (uint8: 0,
/// 1, 255), `visibility` (uint8 [N,3,H,W]), `instances` [N,max,6], `boxes` [N,max,11] (score unused; unused rows have
/// class -1), `sequence` int64 [N], `timestamp` float64 [N], `ego_pose` float64 [N,4,4]; the attribute `val_set` of the
/// root names the set. All but one raster pair (or instances, or boxes) may be missing; without `sequence` all frames
/// are one series, without `timestamp` they are 0.1 s apart. Throws UsageError naming file and dataset where something
/// does not fit.
/// `visit` sees every frame after it was counted.
Evaluator evaluate_files(const std::string& predictions, const std::string& labels, const EvaluationOptions& options,
                         const std::function<void(const EvaluationFrame&)>& visit = {});

/// Class lists and grid taken from the files' rasters where `options` does not fit them: classes are called "class 0",
/// ... The grid keeps its lower corner and its cell. For rasters of other people without a config.
EvaluationOptions fitted_to(const std::string& labels, EvaluationOptions options);

}  // namespace bevgrad
