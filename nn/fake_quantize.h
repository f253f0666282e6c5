// Rounding to 8 bits in floating point, with a gradient: what a training meets that is to be quantised.
#pragma once
#include "nn/activation_ranges.h"
#include "tensor/tensor.h"

namespace bevgrad {

/// Clipped to the range and rounded to its steps, half to even; a NaN stays. The gradient is the clipping's: rounding
/// passes it on (straight-through estimator; Bengio et al., "Estimating or propagating gradients through stochastic
/// neurons", 2013).
Tensor fake_quantize(const Tensor& x, const ActivationRange& range);
/// A convolution's weight [K,..], rounded to 127 steps to either side in each output channel, of which the largest
/// magnitude is one end. The gradient is passed on.
Tensor fake_quantize_weight(const Tensor& weight);

}  // namespace bevgrad
