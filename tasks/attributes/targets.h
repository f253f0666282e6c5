// Where the attribute task learns, and what.
#pragma once
#include <vector>

#include "data/batch.h"
#include "tasks/attributes/options.h"
#include "tasks/task.h"

namespace bevgrad {

/// Cells of a map [N,.,rows,columns] over the label range at which a kind's value is known; a cell may occur more than
/// once.
struct KindTargets {
  std::vector<int64_t> cells;  ///< flat: (n * rows + row) * columns + column
  std::vector<int> values;
};

/// Of a kind of box attributes: the cells of the centres of true boxes (evaluation/true_boxes.h) that it is said of and
/// known of.
KindTargets box_targets_of(const Batch& batch, const AttributeSet& boxes, size_t kind, const LabelGrid& range,
                           int64_t rows, int64_t columns);
/// Of a kind of lane attributes: the cells that lane shapes run through, where all of them agree.
KindTargets lane_targets_of(const Batch& batch, const AttributeSet& lanes, size_t kind, const LabelGrid& range,
                            int64_t rows, int64_t columns);

/// A term a kind, "box_motion" or "lane_color": the cross-entropy of the softmax over its values at its targets, 0
/// where there are none. The maps are those that the head has.
std::vector<LossTerm> attribute_losses(const NetworkOutput& output, const Batch& batch, const AttributeSet& boxes,
                                       const AttributeSet& lanes, const LabelGrid& range);

}  // namespace bevgrad
