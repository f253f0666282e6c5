#include "tasks/vector_map/decode.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "evaluation/average_precision.h"
#include "geometry/polyline.h"
#include "tasks/vector_map/targets.h"
#include "tasks/vector_map/vector_head.h"
#include "tensor/ops.h"

namespace bevgrad {

namespace {

/// What the last layer says of a sample.
class LastLayer {
 public:
  LastLayer(const NetworkOutput& output, int64_t n) {
    const auto last = [&](const char* name) {
      const Tensor& map = output.at(name);
      return ops::select(ops::select(map, 0, n), 0, map.size(1) - 1);
    };
    const Tensor logits = last(kVectorLogits), places = last(kVectorPoints);
    classes_ = static_cast<size_t>(logits.size(1));
    width_ = static_cast<size_t>(places.size(1));
    scores_ = ops::sigmoid(logits).to_vector();
    places_ = places.to_vector();
  }

  size_t vectors() const { return scores_.size() / classes_; }
  /// Of vector v: scores()[v * classes() + c].
  const std::vector<double>& scores() const { return scores_; }
  size_t classes() const { return classes_; }

  /// Appends a vector unless its score or one of its points is not finite.
  void add_to(std::vector<LaneVector>& found, size_t vector, size_t class_id, const LabelGrid& grid, int points) const {
    std::vector<Vec2> line;
    for (size_t p = vector * width_; p < (vector + 1) * width_; ++p)
      line.push_back(to_metres({places_[2 * p], places_[2 * p + 1]}, grid));
    const double score = scores_[vector * classes_ + class_id];
    const auto finite = [](Vec2 p) { return std::isfinite(p.x) && std::isfinite(p.y); };
    if (!std::isfinite(score) || !std::ranges::all_of(line, finite)) return;
    found.push_back({static_cast<int64_t>(class_id), score, resample(line, points)});
  }

 private:
  std::vector<double> scores_, places_;
  size_t classes_, width_;
};

}  // namespace

std::vector<LaneVector> found_vectors(const NetworkOutput& output, int64_t n, const LabelGrid& grid, int points,
                                      double threshold) {
  const LastLayer layer(output, n);
  std::vector<LaneVector> found;
  for (size_t v = 0; v < layer.vectors(); ++v) {
    const auto first = layer.scores().begin() + static_cast<std::ptrdiff_t>(v * layer.classes());
    const auto best = std::max_element(first, first + static_cast<std::ptrdiff_t>(layer.classes()));
    if (*best >= threshold) layer.add_to(found, v, static_cast<size_t>(best - first), grid, points);
  }
  std::ranges::stable_sort(found, std::greater(), &LaneVector::score);
  return found;
}

std::vector<LaneVector> judged_vectors(const NetworkOutput& output, int64_t n, const LabelGrid& grid, int points) {
  const LastLayer layer(output, n);
  std::vector<size_t> pairs = by_descending_score(layer.scores());
  pairs.resize(layer.vectors());
  std::vector<LaneVector> found;
  for (const size_t pair : pairs) layer.add_to(found, pair / layer.classes(), pair % layer.classes(), grid, points);
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
