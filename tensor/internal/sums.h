// A sum over indices on a device, as a number on the host.
#pragma once
#include <algorithm>
#include <cstdint>

#include "tensor/host_device.h"
#include "tensor/launch.h"
#include "tensor/tensor.h"

namespace bevgrad {

/// Every `parts`-th term, so that neighbouring indices read neighbouring elements.
template <class F>
struct PartOfSum {
  F f;
  double* partial;
  int64_t count, parts;

  BEVGRAD_HD void operator()(int64_t part) const {
    double total = 0;
    for (int64_t i = part; i < count; i += parts) total += f(i);
    partial[part] = total;
  }
};

/// Sum of f(i), a double, over [0, count); f as launch() takes it. The order of additions depends on `count` alone, so
/// the same values give the same bits. Waits for the device.
template <class F>
double device_sum(Device device, int64_t count, const F& f) {
  constexpr int64_t kMostParts = 8192, kTermsWorthAThread = 16;
  if (count == 0) return 0;
  const int64_t parts = std::clamp<int64_t>(count / kTermsWorthAThread, 1, kMostParts);
  const Tensor partial = empty({parts}, {DType::Float64, {}, device});
  launch(device, parts, PartOfSum<F>{f, partial.data<double>(), count, parts}, count / parts);
  double total = 0;
  for (double part : partial.to_vector()) total += part;
  return total;
}

}  // namespace bevgrad
