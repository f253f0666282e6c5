// What the convolutions' files share.
#pragma once
#include <string_view>

#include "autograd/autocast.h"
#include "autograd/autograd.h"
#include "tensor/backend.h"
#include "tensor/graph_recording.h"

namespace bevgrad::conv_support {

/// Whether a kernel may keep its prepared copy of a weight: it will be used again unwritten. `recorded`: on the tape.
inline bool may_keep(const Tensor& weight, bool recorded) {
  return !requires_grad(weight) || (!recorded && !is_recording_graph());
}

/// The activation as kernels take it: in the compute dtype, channels-last.
inline Tensor activation(const Tensor& x, DType dtype) {
  return ops::contiguous(ops::to(x, dtype), MemoryFormat::ChannelsLast);
}

/// Throws unless `x` is a 4-D floating-point activation that goes with the weight's (or another parameter's) dtype.
inline void check_dtypes(std::string_view op, const Tensor& x, const Tensor& parameter) {
  check(x.defined() && parameter.defined(), "{}: the input or the weight is undefined", op);
  check(x.device() == parameter.device(), "{}: input is {}, parameter {}", op, describe(x), describe(parameter));
  const bool wide = x.dtype() == DType::Float64;
  check(wide || x.dtype() == DType::Float32 || x.dtype() == DType::BFloat16,
        "{}: input is {}, expected float32, bfloat16 or float64", op, describe(x));
  check(parameter.dtype() == (wide ? DType::Float64 : DType::Float32), "{}: with {} the parameter must be {}, it is {}",
        op, describe(x), wide ? "float64" : "float32", describe(parameter));
}

inline void check_groups(std::string_view op, const Tensor& weight, int groups) {
  check(groups >= 1 && weight.size(0) % groups == 0, "{}: {} groups do not divide the {} of weight {}", op, groups,
        weight.size(0), to_string(weight.sizes()));
}

inline void check_window(std::string_view op, Pair stride, Pair padding, Pair dilation) {
  check(stride.h >= 1 && stride.w >= 1 && padding.h >= 0 && padding.w >= 0 && dilation.h >= 1 && dilation.w >= 1,
        "{}: stride {} and dilation {} must be positive, padding {} not negative", op, to_string(stride),
        to_string(dilation), to_string(padding));
}

/// dy where y > 0, in the kernels' layout; dy itself where y is undefined.
inline Tensor masked(const Tensor& dy, const Tensor& y) {
  const Tensor dense = ops::contiguous(dy, MemoryFormat::ChannelsLast);
  if (!y.defined()) return dense;
  const Tensor dz = empty(dy.sizes(), {dy.dtype(), MemoryFormat::ChannelsLast, dy.device()});
  const DType parameters = dy.dtype() == DType::Float64 ? DType::Float64 : DType::Float32;
  const ChannelGradient identity{ones({dy.size(1)}, {parameters, {}, dy.device()}), {}, {}};
  run_kernel(backend(dy.device()).channel_affine_backward, "channel_affine_backward", dy.device(), dz, dense,
             ReluMask{.y = y}, Tensor(), identity);
  return dz;
}

/// Sum over everything but the channels, in the parameters' dtype.
inline Tensor sum_channels(const Tensor& dz) {
  const Tensor sums = empty({dz.size(1)}, {DType::Float64, {}, dz.device()});
  run_kernel(backend(dz.device()).channel_sums, "channel_sums", dz.device(), sums, Tensor(), Tensor(), dz, ReluMask(),
             Tensor(), Tensor());
  return ops::to(sums, dz.dtype() == DType::Float64 ? DType::Float64 : DType::Float32);
}

}  // namespace bevgrad::conv_support
