#include "train/logging/histogram.h"

#include <algorithm>
#include <cmath>

namespace bevgrad {

Histogram histogram_of(const Tensor& values, int buckets) {
  check(buckets > 0, "histogram_of: {} buckets", buckets);
  Histogram histogram;
  const std::vector<double> all = values.to_vector();
  for (const double v : all) {
    if (!std::isfinite(v)) continue;
    histogram.min = histogram.count == 0 ? v : std::min(histogram.min, v);
    histogram.max = histogram.count == 0 ? v : std::max(histogram.max, v);
    histogram.sum += v;
    histogram.sum_of_squares += v * v;
    ++histogram.count;
  }
  if (histogram.count == 0) return histogram;
  const double range = histogram.max - histogram.min;
  if (range == 0) {
    // One bucket that holds them all; TensorBoard wants it to have a width.
    const double width = std::max(std::abs(histogram.max), 1.0) * 1e-6;
    histogram.limits = {histogram.max - width, histogram.max + width};
    histogram.counts = {0, static_cast<double>(histogram.count)};
    return histogram;
  }
  for (int i = 1; i <= buckets; ++i)
    histogram.limits.push_back(i == buckets ? histogram.max : histogram.min + range * i / buckets);
  histogram.counts.assign(static_cast<size_t>(buckets), 0.0);
  for (const double v : all) {
    if (!std::isfinite(v)) continue;
    const auto bucket = static_cast<int>((v - histogram.min) / range * buckets);
    ++histogram.counts[static_cast<size_t>(std::clamp(bucket, 0, buckets - 1))];
  }
  return histogram;
}

}  // namespace bevgrad
