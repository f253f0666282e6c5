#include "deploy/latencies.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

namespace bevgrad {
namespace {

constexpr size_t kRemembered = 10000;

}  // namespace

void Latencies::add(double milliseconds) {
  if (values_.size() < kRemembered) {
    values_.push_back(milliseconds);
  } else {
    values_[static_cast<size_t>(count_) % kRemembered] = milliseconds;
  }
  ++count_;
}

double Latencies::percentile(double share) const {
  if (values_.empty()) return 0;
  std::vector<double> sorted = values_;
  const auto rank = static_cast<size_t>(std::ceil(share * static_cast<double>(sorted.size())));
  const auto at = sorted.begin() + static_cast<std::ptrdiff_t>(std::max<size_t>(rank, 1) - 1);
  std::ranges::nth_element(sorted, at);
  return *at;
}

std::string Latencies::summary() const {
  return fmt::format("{} frames: median {:.1f} ms, 90 % {:.1f}, 99 % {:.1f}, longest {:.1f}", count_, percentile(0.5),
                     percentile(0.9), percentile(0.99), percentile(1));
}

}  // namespace bevgrad
