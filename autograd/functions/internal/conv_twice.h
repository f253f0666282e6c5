// The gradients of convolutions as convolutions, for rules that are recorded. All of what they are given is float32 or
// float64 and on the tape, as rule::input takes it.
#pragma once
#include "autograd/functions/conv.h"
#include "functions/internal/rule_ops.h"
#include "internal/remake.h"

namespace bevgrad::conv_twice {

/// Of conv2d(x, weight) + bias from dz, the gradient of its result: [N,K,OH,OW] -> those of x (of `x_sizes`), weight,
/// bias.
Grads gradients(const Tensor& dz, const tape::KeptInput& x, const Tensor& weight, const Shape& x_sizes,
                const ConvOptions& options, const NeedsGrad& needs);

/// The same of conv_transpose2d.
Grads transposed_gradients(const Tensor& dz, const tape::KeptInput& x, const Tensor& weight, const ConvOptions& options,
                           const NeedsGrad& needs);

}  // namespace bevgrad::conv_twice
