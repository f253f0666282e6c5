// A convolution that computes in 8 bits, with the norm, residual and activation behind it.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "nn/activation_ranges.h"
#include "nn/batch_norm.h"
#include "tensor/integer_conv.h"

namespace bevgrad {

/// What Conv2d::set_eight_bits takes; one a convolution.
///
/// In inference on the CPU inputs and weights (with the norm folded in) are bytes, in products of integers; weights
/// have a step for each output channel. Elsewhere (where a gradient is recorded, norms take the batch's statistics,
/// hooks look at the convolution, on a GPU, or where has_byte_products() is false) the same inputs and weights are
/// rounded in floating point, with straight-through gradients (nn/fake_quantize.h): both give the same values up to
/// rounding.
class EightBits {
 public:
  /// `name` is the convolution's in messages. Throws Error for a range that is not above 0.
  EightBits(std::string name, const ConvRanges& ranges);
  ~EightBits();

  /// relu?(bn(conv(x)) + residual); without a norm `bn` is null.
  Tensor forward(const Conv2d& conv, BatchNorm* bn, const Tensor& x, const NormFusion& fusion);

 private:
  const IntegerConv& prepared(const Conv2d& conv, BatchNorm* bn);

  std::string name_;
  ConvRanges ranges_;
  std::unique_ptr<IntegerConv> conv_;
  std::vector<uint64_t> versions_;  // of the parameters and statistics that conv_ was made of
};

}  // namespace bevgrad
