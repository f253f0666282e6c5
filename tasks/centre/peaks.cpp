#include "tasks/centre/peaks.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "autograd/autograd.h"

namespace bevgrad {

MapReader::MapReader(const char* what, const Tensor& tensor, int64_t channels) {
  check(tensor.defined(), "{}: the map is undefined", what);
  check(tensor.dim() == 4 && (channels < 0 || tensor.size(1) == channels), "{}: {}, expected [N,{},H,W]", what,
        describe(tensor), channels < 0 ? "K" : std::to_string(channels));
  check(is_floating_point(tensor.dtype()), "{}: {} is not floating", what, describe(tensor));
  tensor_ = ops::to(detach(tensor), Device());
}

float MapReader::operator()(int64_t sample, int64_t channel, int64_t row, int64_t column) const {
  const int64_t at =
      sample * tensor_.stride(0) + channel * tensor_.stride(1) + row * tensor_.stride(2) + column * tensor_.stride(3);
  return dispatch_floating("decode", tensor_.dtype(),
                           [&]<class T>() { return static_cast<float>(tensor_.data<const T>()[at]); });
}

double exp_size(float log_size) {
  return std::exp(std::clamp(static_cast<double>(log_size), -20.0, 20.0));
}

std::vector<Peak> heatmap_peaks(const Tensor& logits, int64_t sample, int64_t top, float score_threshold) {
  const MapReader read("heatmap_peaks: logits", logits, -1);
  check(sample >= 0 && sample < logits.size(0), "heatmap_peaks: sample {} of {}", sample, logits.size(0));
  check(top >= 0, "heatmap_peaks: top {}", top);
  const int64_t classes = logits.size(1), rows = logits.size(2), columns = logits.size(3);
  std::vector<float> scores(static_cast<size_t>(rows * columns));
  std::vector<Peak> peaks;
  for (int64_t k = 0; k < classes; ++k) {
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < columns; ++c) scores[r * columns + c] = 1.0f / (1.0f + std::exp(-read(sample, k, r, c)));
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < columns; ++c) {
        const float score = scores[r * columns + c];
        if (!(score >= score_threshold)) continue;
        bool highest = true;
        for (int64_t y = std::max<int64_t>(0, r - 1); highest && y <= std::min(rows - 1, r + 1); ++y)
          for (int64_t x = std::max<int64_t>(0, c - 1); x <= std::min(columns - 1, c + 1); ++x)
            if (scores[y * columns + x] > score) highest = false;
        if (highest) peaks.push_back({k, r, c, score});
      }
  }
  // Collected in class, row, column order, which a stable sort keeps among equals.
  std::stable_sort(peaks.begin(), peaks.end(), [](const Peak& a, const Peak& b) { return a.score > b.score; });
  if (static_cast<int64_t>(peaks.size()) > top) peaks.resize(static_cast<size_t>(top));
  return peaks;
}

std::vector<size_t> rotated_nms(std::span<const RotatedBox> boxes, std::span<const int64_t> classes,
                                double iou_threshold) {
  check(boxes.size() == classes.size(), "rotated_nms: {} boxes and {} classes", boxes.size(), classes.size());
  std::vector<size_t> kept;
  for (size_t i = 0; i < boxes.size(); ++i) {
    const bool overlaps = std::any_of(kept.begin(), kept.end(), [&](size_t j) {
      return classes[i] == classes[j] && rotated_iou(boxes[i], boxes[j]) > iou_threshold;
    });
    if (!overlaps) kept.push_back(i);
  }
  return kept;
}

double folded_angle(double angle, bool symmetric) {
  constexpr double pi = std::numbers::pi;
  angle = std::remainder(angle, 2 * pi);
  if (angle <= -pi) angle += 2 * pi;
  if (!symmetric) return angle;
  if (angle > pi / 2) return angle - pi;
  if (angle <= -pi / 2) return angle + pi;
  return angle;
}

}  // namespace bevgrad
