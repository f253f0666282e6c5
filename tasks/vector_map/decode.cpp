#include "tasks/vector_map/decode.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "geometry/polyline.h"
#include "tasks/vector_map/targets.h"
#include "tasks/vector_map/vector_head.h"
#include "tensor/ops.h"

namespace bevgrad {

std::vector<LaneVector> found_vectors(const NetworkOutput& output, int64_t n, const LabelGrid& grid, int points,
                                      double threshold) {
  const auto last = [&](const char* name) {
    const Tensor& map = output.at(name);
    return ops::select(ops::select(map, 0, n), 0, map.size(1) - 1);
  };
  const Tensor logits = last(kVectorLogits), places = last(kVectorPoints);
  const std::vector<double> scores = ops::sigmoid(logits).to_vector(), values = places.to_vector();
  const auto classes = static_cast<size_t>(logits.size(1)), width = static_cast<size_t>(places.size(1));
  std::vector<LaneVector> found;
  for (size_t v = 0; v < static_cast<size_t>(logits.size(0)); ++v) {
    const auto first = scores.begin() + static_cast<std::ptrdiff_t>(v * classes);
    const auto best = std::max_element(first, first + static_cast<std::ptrdiff_t>(classes));
    if (!(*best >= threshold)) continue;
    LaneVector vector{best - first, *best, {}};
    for (size_t p = v * width; p < (v + 1) * width; ++p)
      vector.points.push_back(to_metres({values[2 * p], values[2 * p + 1]}, grid));
    const auto finite = [](Vec2 p) { return std::isfinite(p.x) && std::isfinite(p.y); };
    if (!std::ranges::all_of(vector.points, finite)) continue;
    vector.points = resample(vector.points, points);
    found.push_back(std::move(vector));
  }
  std::ranges::stable_sort(found, std::greater(), &LaneVector::score);
  return found;
}

NamedTensors vector_tables(const NetworkOutput& output, const LabelGrid& grid, int points, double threshold) {
  const int64_t samples = output.at(kVectorLogits).size(0), rows = output.at(kVectorLogits).size(2);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Tensor vectors = full({samples, rows, points, 2}, nan), scores = full({samples, rows}, nan),
               classes = full({samples, rows}, -1);
  for (int64_t n = 0; n < samples; ++n) {
    int64_t row = n * rows;
    for (const LaneVector& vector : found_vectors(output, n, grid, points, threshold)) {
      float* out = vectors.data<float>() + row * points * 2;
      for (const Vec2 p : vector.points) {
        *out++ = static_cast<float>(p.x);
        *out++ = static_cast<float>(p.y);
      }
      scores.data<float>()[row] = static_cast<float>(vector.score);
      classes.data<float>()[row++] = static_cast<float>(vector.class_id);
    }
  }
  return {{"vectors", vectors}, {"vector_scores", scores}, {"vector_classes", classes}};
}

}  // namespace bevgrad
