#include "evaluation/average_precision.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace bevgrad {

std::vector<size_t> by_descending_score(std::span<const double> scores) {
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto rank = [&](size_t i) { return std::isnan(scores[i]) ? -HUGE_VAL : scores[i]; };
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return rank(a) > rank(b); });
  return order;
}

std::vector<PrecisionRecall> precision_recall_curve(std::span<const RankedDetection> detections, int64_t truths) {
  std::vector<PrecisionRecall> curve;
  if (truths == 0) return curve;
  std::vector<double> scores;
  for (const auto& detection : detections) scores.push_back(detection.score);
  double right = 0, all = 0;
  for (const size_t i : by_descending_score(scores)) {
    right += detections[i].right;
    all += 1;
    curve.push_back({right / all, right / static_cast<double>(truths), detections[i].score});
  }
  return curve;
}

double area_under(std::vector<PrecisionRecall> curve) {
  for (size_t i = curve.size(); i-- > 1;) curve[i - 1].precision = std::max(curve[i - 1].precision, curve[i].precision);
  double area = 0, recall = 0;
  for (const auto& point : curve) {
    area += (point.recall - recall) * point.precision;
    recall = point.recall;
  }
  return area;
}

Ratio average_precision(std::span<const RankedDetection> detections, int64_t truths) {
  if (truths == 0) return std::nullopt;
  return area_under(precision_recall_curve(detections, truths));
}

Ratio consistent_average_precision(std::span<const RankedDetection> detections, int64_t truths) {
  std::vector<RankedDetection> staying(detections.begin(), detections.end());
  for (RankedDetection& detection : staying) detection.right = detection.right && detection.stays;
  return average_precision(staying, truths);
}

double nuscenes_area_under(const std::vector<PrecisionRecall>& curve) {
  constexpr double min_precision = 0.1;
  constexpr int first = 11;  // round(100 * the least recall, 0.1) + 1
  double sum = 0;
  for (int i = first; i <= 100; ++i) {
    // numpy.interp(recall, recalls, precisions, right=0): the last point at or below, then linear to the next.
    const double recall = i == 100 ? 1.0 : i * 0.01;  // numpy.linspace(0, 1, 101)
    const auto next = std::upper_bound(curve.begin(), curve.end(), recall,
                                       [](double value, const PrecisionRecall& point) { return value < point.recall; });
    double precision = 0;
    if (next == curve.begin() && !curve.empty()) {
      precision = curve.front().precision;
    } else if (next == curve.end()) {
      precision = !curve.empty() && curve.back().recall == recall ? curve.back().precision : 0;
    } else if (!curve.empty()) {
      const auto& low = *(next - 1);
      precision =
          low.precision + (next->precision - low.precision) / (next->recall - low.recall) * (recall - low.recall);
    }
    sum += std::max(0.0, precision - min_precision);
  }
  return sum / (101 - first) / (1 - min_precision);
}

Ratio nuscenes_average_precision(std::span<const RankedDetection> detections, int64_t truths) {
  if (truths == 0) return std::nullopt;
  return nuscenes_area_under(precision_recall_curve(detections, truths));
}

void ApCounts::add_truth(Stratum stratum) {
  ++truths[kAllCells];
  if (stratum != kAllCells) ++truths[stratum];
}

void ApCounts::merge(const ApCounts& other) {
  detections.insert(detections.end(), other.detections.begin(), other.detections.end());
  for (size_t s = 0; s < kNumStrata; ++s) truths[s] += other.truths[s];
}

std::vector<RankedDetection> ApCounts::of(Stratum stratum) const {
  if (stratum == kAllCells) return detections;
  std::vector<RankedDetection> chosen;
  for (const auto& detection : detections)
    if (detection.stratum == stratum) chosen.push_back(detection);
  return chosen;
}

}  // namespace bevgrad
