// In which numbers an exported model computes.
#pragma once
#include <map>
#include <string>

namespace bevgrad {

enum class OnnxPrecision {
  Float32,
  Float16,    ///< feature maps and convolutions; places, pillars and the softmax over frames stay float32
  BFloat16,   ///< the weights' values, which are widened when the model is loaded: opset 17 has no such convolution
  Int8,       ///< convolutions between QuantizeLinear and DequantizeLinear; what is around them stays float32
  Int8Signed  ///< the same with all activations signed and no zero points, as TensorRT wants them
};

inline bool is_integer(OnnxPrecision precision) {
  return precision == OnnxPrecision::Int8 || precision == OnnxPrecision::Int8Signed;
}

/// Values of an activation that 8 bits stand for: 0 to `limit` in 255 steps, or -limit to limit in twice 127.
struct ActivationRange {
  double limit = 0;
  bool is_signed = false;
};

/// Of a convolution (its dotted name): what comes in, what a residual is added to, what goes out.
struct ConvRanges {
  ActivationRange input, before_sum, output;
};
using ActivationRanges = std::map<std::string, ConvRanges>;

}  // namespace bevgrad
