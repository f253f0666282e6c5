// Batch normalisation (Ioffe and Szegedy, 2015) as PyTorch defines it, with what usually follows it in the same pass.
#pragma once
#include "autograd/autograd.h"

namespace bevgrad {

struct BatchNormOptions {
  /// Statistics of this batch, and the running ones are updated; otherwise the running statistics are used.
  bool training = true;
  /// running = (1 - momentum) running + momentum batch
  double momentum = 0.1;
  double eps = 1e-5;
  /// Added before the activation; same sizes and dtype as x, or undefined.
  Tensor residual = {};
  bool relu = false;
  /// How often the last row of a two-dimensional input counts in the statistics (0 or more). The empty slots of a
  /// pillar encoder all hold the same row, which need not be stored more than once; the result's last row stands for
  /// all of them, and so does its gradient.
  int64_t last_row_count = 1;
};

/// relu?((x - mean) / sqrt(var + eps) * gamma + beta + residual) over x [N,C,H,W] or [M,C], float32, bfloat16 or
/// float64. gamma, beta, running_mean, running_var: [C] float32 (float64 with float64 x). The batch's variance is
/// biased for normalising and unbiased for the running one; sums are taken in double. Training on a single value per
/// channel is an Error; on none it changes nothing.
Tensor batch_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, const Tensor& running_mean,
                  const Tensor& running_var, const BatchNormOptions& options = {});

/// The running statistics and parameters as one factor and one summand a channel: scale = gamma / sqrt(var + eps),
/// shift = beta - mean * scale.
struct FoldedNorm {
  Tensor scale, shift;
};
FoldedNorm fold_batch_norm(const Tensor& gamma, const Tensor& beta, const Tensor& running_mean,
                           const Tensor& running_var, double eps);

}  // namespace bevgrad
