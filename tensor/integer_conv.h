// Convolutions of 8-bit numbers on the CPU, through oneDNN: for inference.
#pragma once
#include <memory>
#include <string_view>

#include "tensor/backend.h"
#include "tensor/tensor.h"

namespace bevgrad {

/// A feature map in 8 bits: uint8 (0 to 255) or int8 (-127 to 127), channels-last, times `step`.
struct ByteMap {
  Tensor values;
  double step = 0;
};

/// Steps of a range: of 0 to `limit` 255, of -limit to limit twice 127.
double byte_step(double limit, bool is_signed);

/// Whether this processor multiplies bytes into sums of 32 bits (VNNI). Without it the kernels' sums of 16 bits may
/// overflow.
bool has_byte_products();

/// float32 or bfloat16 [N,C,H,W], clipped to the range and rounded, half to even. Throws Error for a value that is not
/// finite: "what" is not.
ByteMap to_bytes(const Tensor& x, double limit, bool is_signed, std::string_view what = "a feature map");
/// float32
Tensor from_bytes(const ByteMap& x);
/// Maximum over windows, of which padding is no part.
ByteMap max_pool2d(const ByteMap& x, Pair kernel, Pair stride, Pair padding);

/// A convolution whose weights are int8 with a step for each output channel.
class IntegerConv {
 public:
  /// weight [K,C/groups,kh,kw] and bias [K], float32 on the CPU, with any norm folded in.
  IntegerConv(const Tensor& weight, const Tensor& bias, const ConvOptions& options);
  ~IntegerConv();
  IntegerConv(const IntegerConv&) = delete;
  IntegerConv& operator=(const IntegerConv&) = delete;

  /// relu?(conv(x) + bias + residual) in float32; the residual, like the result, may be undefined. Throws Error where
  /// the sizes do not fit.
  Tensor forward(const ByteMap& x, const Tensor& residual, bool relu) const;
  /// The same in 8 bits of the range; a residual may be without values.
  ByteMap forward(const ByteMap& x, const ByteMap& residual, bool relu, double limit, bool is_signed) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bevgrad
