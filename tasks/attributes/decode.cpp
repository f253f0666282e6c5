#include "tasks/attributes/decode.h"

#include <algorithm>
#include <cmath>

#include "tensor/ops.h"

namespace bevgrad {

ProbabilityRaster attribute_probabilities(const Tensor& logits, int64_t n, const std::vector<AttributeKind>& kinds) {
  ProbabilityRaster raster = float_raster(logits, n);
  int64_t first = 0;
  for (const AttributeKind& kind : kinds) {
    const auto values = std::ssize(kind.values);
    for (int64_t i = 0; i < raster.cells(); ++i) {
      const auto of = [&](int64_t v) -> float& {
        return raster.values[static_cast<size_t>((first + v) * raster.cells() + i)];
      };
      float highest = of(0), sum = 0;
      for (int64_t v = 1; v < values; ++v) highest = std::max(highest, of(v));
      for (int64_t v = 0; v < values; ++v) sum += of(v) = std::exp(of(v) - highest);
      for (int64_t v = 0; v < values; ++v) of(v) /= sum;
    }
    first += values;
  }
  return raster;
}

NamedTensors box_attribute_tables(const Tensor& logits, const Tensor& boxes, const AttributeSet& set,
                                  const LabelGrid& range) {
  const int64_t samples = boxes.size(0), rows = boxes.size(1), kinds = std::ssize(set.kinds);
  const Tensor values = full({samples, rows, kinds}, -1.0), scores = zeros({samples, rows, kinds});
  for (int64_t n = 0; n < samples; ++n) {
    const ProbabilityRaster probabilities = attribute_probabilities(logits, n, set.kinds);
    for (const ScoredBox& scored : scored_boxes(boxes, n)) {
      const auto id = static_cast<size_t>(scored.box.class_id);
      if (id >= set.classes.size()) continue;
      const std::vector<SaidAttribute> said = attributes_along(probabilities, range, set.kinds, set.classes[id],
                                                               std::vector<Vec2>{{scored.box.x, scored.box.y}});
      for (int64_t k = 0; k < kinds; ++k) {
        const int64_t at = (n * rows + scored.row) * kinds + k;
        values.data<float>()[at] = static_cast<float>(said[static_cast<size_t>(k)].value);
        scores.data<float>()[at] = static_cast<float>(said[static_cast<size_t>(k)].probability);
      }
    }
  }
  return {{"box_attributes", values}, {"box_attribute_scores", scores}};
}

}  // namespace bevgrad
