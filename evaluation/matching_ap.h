// What counts as a match for lanes, static instances and 3-D boxes, frame by frame, for their average precisions.
#pragma once
#include <functional>
#include <vector>

#include "evaluation/average_precision.h"
#include "evaluation/evaluator.h"
#include "evaluation/lane_tracks.h"

namespace bevgrad {

/// The stratum of a point on the ground; kAllCells where it lies off the grid or visibility is not known.
using StratumAt = std::function<Stratum(Vec2)>;
StratumAt stratum_lookup(const std::vector<Stratum>& strata, const LabelGrid& grid);
/// The stratum that most of a polyline's points lie in.
Stratum majority_stratum(const std::vector<Vec2>& points, const StratumAt& at);

/// Chamfer AP (HDMapNet, MapTR): each predicted lane, best score first, takes its nearest true lane of its class; right
/// where their Chamfer distance is at most `threshold` and that lane is free. Adds to counts[class][threshold].
/// `finders`, which stand at this frame, say which matches stay; without them all do.
void count_lanes(const std::vector<LaneVector>& predicted, const std::vector<LaneVector>& truth,
                 const std::vector<double>& thresholds, const StratumAt& at, std::vector<std::vector<ApCounts>>& counts,
                 LaneFinders* finders = nullptr);

/// Right where the rotated IoU with the free true instance of its class that it overlaps most is at least `iou`. Adds
/// to counts[class].
void count_instances(const std::vector<ScoredInstance>& predicted, const std::vector<Instance>& truth, double iou,
                     const StratumAt& at, std::vector<ApCounts>& counts);

/// nuScenes' matching: right where the free true box of its class whose centre is nearest on the ground is closer than
/// the threshold. Predictions out of `range`, and labelled boxes that are no true boxes of it (train/true_boxes.h),
/// count on neither side. Adds to counts[class][threshold].
void count_boxes(const std::vector<ScoredBox>& predicted, const std::vector<Box3d>& truth, const LabelGrid& range,
                 const std::vector<double>& thresholds, const StratumAt& at,
                 std::vector<std::vector<ApCounts>>& counts);

}  // namespace bevgrad
