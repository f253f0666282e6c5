// Batch normalisation layers, and convolution + normalisation + activation as one step.
#pragma once
#include "autograd/functions/batch_norm.h"
#include "nn/conv.h"
#include "nn/module.h"

namespace bevgrad {

struct NormSpec {
  double eps = 1e-5;
  double momentum = 0.1;
};

/// What happens in the same pass as the normalisation.
struct NormFusion {
  Tensor residual = {};
  bool relu = false;
  /// BatchNormOptions::last_row_count, for inputs [M,C].
  int64_t last_row_count = 1;
  /// Of conv_bn_relu: nothing but convolutions read the result, and conv_bn_relu as a residual. Where the convolution
  /// computes in 8 bits (nn/eight_bits.h) it stays in them.
  bool only_convolved = false;
};

/// Parameters `weight` and `bias`, buffers `running_mean`, `running_var` (float32) and `num_batches_tracked` (int64),
/// as PyTorch's BatchNorm1d and 2d: x is [N,C,H,W] or [M,C]. On the batch's statistics in training, on the running ones
/// in evaluation and where frozen.
class BatchNorm : public Module {
 public:
  explicit BatchNorm(int64_t channels, const NormSpec& spec = {});
  Tensor forward(const Tensor& x, const NormFusion& fusion = {});
  bool uses_batch_statistics() const { return training() && !frozen(); }
  /// gamma 1, beta 0, statistics of a standard normal.
  void reset();
  void draw_parameters(Generator&) override { reset(); }

  /// The norm after a convolution with `conv_bias` (or undefined), as factor and summand. Computed again only after a
  /// parameter or buffer was written, so that kernels find what they prepared with it.
  const FoldedNorm& folded(const Tensor& conv_bias = {});
  const NormSpec& spec() const { return spec_; }

 private:
  NormSpec spec_;
  FoldedNorm folded_;
  std::vector<uint64_t> folded_versions_;

 public:
  const Tensor weight, bias, running_mean, running_var, num_batches_tracked;
};

using BatchNorm1d = BatchNorm;
using BatchNorm2d = BatchNorm;

/// relu?(bn(conv(x)) + residual). In evaluation or frozen, where nothing is recorded, one primitive with the norm
/// folded into the weights; otherwise the convolution and then the normalisation with the rest fused into it, recorded
/// as usual. Both give the same values up to rounding.
Tensor conv_bn_relu(const Conv2d& conv, BatchNorm& bn, const Tensor& x, const NormFusion& fusion = {.relu = true});
/// The same for a transposed convolution (two primitives in every state).
Tensor conv_bn_relu(const ConvTranspose2d& conv, BatchNorm& bn, const Tensor& x,
                    const NormFusion& fusion = {.relu = true});

}  // namespace bevgrad
