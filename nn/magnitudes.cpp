#include "nn/magnitudes.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

constexpr size_t kBins = 2048;

}  // namespace

void Magnitudes::widen(double magnitude) {
  if (bins_.empty()) {
    bins_.resize(kBins);
    width_ = magnitude * 1.0001 / kBins;
  }
  // Twice the range: two bins become one.
  while (magnitude >= width_ * kBins) {
    for (size_t i = 0; i < kBins; ++i) bins_[i] = 2 * i < kBins ? bins_[2 * i] + bins_[2 * i + 1] : 0;
    width_ *= 2;
  }
}

void Magnitudes::add(const Tensor& values) {
  const Tensor dense = ops::to(ops::to(values, Device()), DType::Float32);
  const Tensor flat = dense.is_contiguous(MemoryFormat::ChannelsLast) ? dense : ops::contiguous(dense);
  const std::span all(flat.data<const float>(), static_cast<size_t>(flat.numel()));
  float largest = 0;
  bool finite = true;
  for (const float value : all) {
    largest = std::max(largest, std::abs(value));
    finite = finite && std::isfinite(value);
    has_negative_ = has_negative_ || value < 0;
  }
  check(finite, "an activation is not finite");
  if (largest == 0) return;
  widen(largest);
  for (const float value : all)
    ++bins_[std::min(kBins - 1, static_cast<size_t>(std::abs(static_cast<double>(value)) / width_))];
}

ActivationRange Magnitudes::best_range(bool is_signed) const {
  is_signed = is_signed || has_negative_;
  // What was never anything but 0 may have any range.
  if (bins_.empty()) return {1, is_signed};
  const double steps = is_signed ? 127 : 255;
  double best = std::numeric_limits<double>::infinity();
  ActivationRange range{0, is_signed};
  double inside = 0;
  for (size_t last = 0; last < kBins; ++last) {
    inside += static_cast<double>(bins_[last]);
    const double limit = width_ * static_cast<double>(last + 1), step = limit / steps;
    double error = inside * step * step / 12;
    for (size_t i = last + 1; i < kBins && error < best; ++i) {
      const double over = width_ * (static_cast<double>(i) + 0.5) - limit;
      error += static_cast<double>(bins_[i]) * over * over;
    }
    if (error < best) best = error, range.limit = limit;
  }
  return range;
}

}  // namespace bevgrad
