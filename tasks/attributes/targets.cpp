#include "tasks/attributes/targets.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "autograd/functions.h"
#include "evaluation/true_boxes.h"
#include "nn/losses.h"
#include "tasks/attributes/attribute_head.h"

namespace bevgrad {
namespace {

/// The cells of a map over a range.
struct Cells {
  const LabelGrid& range;
  int64_t rows, columns;

  /// Within its sample; -1 outside.
  int64_t at(Vec2 p) const {
    const double row = std::floor((p.y - range.y_min) / (range.y_max - range.y_min) * static_cast<double>(rows)),
                 column = std::floor((p.x - range.x_min) / (range.x_max - range.x_min) * static_cast<double>(columns));
    if (!(row >= 0 && row < static_cast<double>(rows) && column >= 0 && column < static_cast<double>(columns)))
      return -1;
    return static_cast<int64_t>(row) * columns + static_cast<int64_t>(column);
  }
  /// A step that passes over no cell but its corners.
  double step() const { return (range.x_max - range.x_min) / static_cast<double>(columns) / 4; }
};

using TargetsOf = KindTargets (*)(const Batch&, const AttributeSet&, size_t, const LabelGrid&, int64_t, int64_t);

void add_terms(const char* prefix, const Tensor& logits, const Batch& batch, const AttributeSet& set, TargetsOf targets,
               const LabelGrid& range, std::vector<LossTerm>& terms) {
  int64_t first = 0;
  for (size_t k = 0; k < set.kinds.size(); ++k) {
    const auto values = std::ssize(set.kinds[k].values);
    const KindTargets known = targets(batch, set, k, range, logits.size(2), logits.size(3));
    const auto count = std::ssize(known.cells);
    const Tensor cells = empty({count}, {.dtype = DType::Int64}),
                 wanted = zeros({count, values}, {.dtype = DType::Float64});
    std::copy(known.cells.begin(), known.cells.end(), cells.data<int64_t>());
    for (int64_t i = 0; i < count; ++i) wanted.data<double>()[i * values + known.values[static_cast<size_t>(i)]] = 1;
    terms.push_back({prefix + set.kinds[k].name, set.weights[k],
                     indexed_cross_entropy(narrow(logits, 1, first, values), cells, wanted)});
    first += values;
  }
}

}  // namespace

KindTargets box_targets_of(const Batch& batch, const AttributeSet& boxes, size_t kind, const LabelGrid& range,
                           int64_t rows, int64_t columns) {
  const Cells cells = {range, rows, columns};
  KindTargets targets;
  for (int64_t n = 0; n < batch.size(); ++n)
    for (const Box3d& box : batch.boxes[static_cast<size_t>(n)]) {
      const int value = value_of(box.attributes, kind);
      const int64_t cell = cells.at({box.x, box.y});
      if (value < 0 || cell < 0 || !boxes.is_said_of(kind, box.class_id) || !is_true_box(box, range)) continue;
      targets.cells.push_back(n * rows * columns + cell);
      targets.values.push_back(value);
    }
  return targets;
}

KindTargets lane_targets_of(const Batch& batch, const AttributeSet& lanes, size_t kind, const LabelGrid& range,
                            int64_t rows, int64_t columns) {
  constexpr int kContradicted = -1;
  const Cells cells = {range, rows, columns};
  KindTargets targets;
  for (int64_t n = 0; n < batch.size(); ++n) {
    std::map<int64_t, int> said;
    for (const LabelShape& shape : batch.lane_shapes[static_cast<size_t>(n)]) {
      const int value = lanes.is_said_of(kind, shape.class_id) ? value_of(shape.attributes, kind) : -1;
      const size_t corners = shape.points.size();
      for (size_t i = 0; i + (shape.closed ? 0 : 1) < corners; ++i) {
        const Vec2 from = shape.points[i], to = shape.points[(i + 1) % corners];
        const auto steps = static_cast<int64_t>(std::ceil(norm(to - from) / cells.step())) + 1;
        for (int64_t s = 0; s <= steps; ++s) {
          const int64_t cell = cells.at(from + (to - from) * (static_cast<double>(s) / static_cast<double>(steps)));
          if (cell < 0) continue;
          const auto [at, is_new] = said.emplace(cell, value);
          // A mark of which nothing is known leaves its cells to nobody either.
          if (!is_new && at->second != value) at->second = kContradicted;
        }
      }
    }
    for (const auto& [cell, value] : said) {
      if (value < 0) continue;
      targets.cells.push_back(n * rows * columns + cell);
      targets.values.push_back(value);
    }
  }
  return targets;
}

std::vector<LossTerm> attribute_losses(const NetworkOutput& output, const Batch& batch, const AttributeSet& boxes,
                                       const AttributeSet& lanes, const LabelGrid& range) {
  std::vector<LossTerm> terms;
  if (!boxes.kinds.empty())
    add_terms("box_", output.at(kBoxAttributeLogits), batch, boxes, box_targets_of, range, terms);
  if (!lanes.kinds.empty())
    add_terms("lane_", output.at(kLaneAttributeLogits), batch, lanes, lane_targets_of, range, terms);
  return terms;
}

}  // namespace bevgrad
