// From the attribute head's maps to what is said of objects.
#pragma once
#include "evaluation/attributes.h"
#include "models/network_output.h"
#include "nn/module.h"
#include "tasks/attributes/options.h"
#include "tasks/dynamic_boxes/boxes.h"

namespace bevgrad {

/// Sample `n` of a map of logits [N,values of all kinds,H,W]: per kind the softmax over its values.
ProbabilityRaster attribute_probabilities(const Tensor& logits, int64_t n, const std::vector<AttributeKind>& kinds);

/// What is said of the boxes that decode_boxes gives, row by row, for `predict`: "box_attributes" [N,max_boxes,kinds],
/// the number of the likeliest value, and "box_attribute_scores", its probability; -1 and 0 in unused rows and of kinds
/// that are not said of the box's class.
NamedTensors box_attribute_tables(const Tensor& logits, const Tensor& boxes, const AttributeSet& set,
                                  const LabelGrid& range);

}  // namespace bevgrad
