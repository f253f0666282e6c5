// In which numbers an exported model computes.
#pragma once

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

}  // namespace bevgrad
