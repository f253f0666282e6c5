// A convolution's weight in Winograd's frequencies.
#pragma once
#include "cpu/onednn.h"

namespace bevgrad::cpu::winograd {

/// `weight` [K,C,3,3] times scale[K], where that is defined, as 36 matrices one behind the other, each in the layout
/// `wanted` of a 1x1 convolution [K',C',1,1]; channels beyond K and C are 0.
Tensor transform_weight(const Tensor& weight, const Tensor& scale, const dnnl::memory::desc& wanted);

/// The same of the weight [C,K,3,3] whose convolution is the input gradient of this one: inputs and outputs exchanged,
/// taps back to front.
Tensor transform_gradient_weight(const Tensor& weight, const dnnl::memory::desc& wanted);

}  // namespace bevgrad::cpu::winograd
