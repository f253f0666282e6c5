// What training's batch normalisation makes of a channel's sums. One index is one channel; P is the parameters' type.
#pragma once
#include <cmath>
#include <cstdint>

#include "tensor/host_device.h"

namespace bevgrad::norm_functors {

// running = (1 - momentum) running + momentum batch, the variance made unbiased.
template <class P>
struct UpdateRunning {
  P* running_mean;
  P* running_var;
  const double* mean;
  const double* variance;
  const double* global_count;  // null: `count`
  double count, momentum;

  BEVGRAD_HD void operator()(int64_t c) const {
    const double n = global_count ? *global_count : count;
    if (n == 0) return;
    const double factor = n / (n - 1);
    running_mean[c] = static_cast<P>((1 - momentum) * static_cast<double>(running_mean[c]) + momentum * mean[c]);
    running_var[c] =
        static_cast<P>((1 - momentum) * static_cast<double>(running_var[c]) + momentum * factor * variance[c]);
  }
};

template <class V>
struct InverseDeviation {
  const V* variance;
  double* inv_std;
  double eps;

  BEVGRAD_HD void operator()(int64_t c) const { inv_std[c] = 1.0 / std::sqrt(static_cast<double>(variance[c]) + eps); }
};

// The normalisation as a factor and a summand.
template <class P>
struct Affine {
  const P* gamma;
  const P* beta;
  const double* mean;
  const double* inv_std;
  P* scale;
  P* shift;

  BEVGRAD_HD void operator()(int64_t c) const {
    const double factor = static_cast<double>(gamma[c]) * inv_std[c];
    scale[c] = static_cast<P>(factor);
    shift[c] = static_cast<P>(static_cast<double>(beta[c]) - mean[c] * factor);
  }
};

// dx = gamma inv_std (dz - sum_dz / n - (x - mean) inv_std^2 sum_dz_x / n), as coefficients of dz, x and 1.
template <class P>
struct Coefficients {
  const P* gamma;
  const double* mean;
  const double* inv_std;
  const double* sum_dz;
  const double* sum_dz_x;
  const double* global_count;  // null: `count`
  double count, row_count;
  P* a;
  P* b;  // null: the statistics are constants
  P* d;

  BEVGRAD_HD void operator()(int64_t c) const {
    const double factor = static_cast<double>(gamma[c]) * inv_std[c];
    a[c] = static_cast<P>(factor);
    if (!b) return;
    const double n = global_count ? *global_count : count;
    const double of_x = -factor * inv_std[c] * inv_std[c] * sum_dz_x[c] / n * row_count;
    b[c] = static_cast<P>(of_x);
    d[c] = static_cast<P>(-factor * sum_dz[c] / n * row_count - of_x * mean[c]);
  }
};

}  // namespace bevgrad::norm_functors
