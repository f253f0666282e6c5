// Weights in the layout and precision that cuDNN's channels-last kernels take: [out][kh*kw][in].
#pragma once
#include "tensor/tensor.h"

namespace bevgrad::cuda {

/// `weight` [out,in,kh,kw] float32, times scale[out] where that is defined, channels-last in `dtype` (float32 or
/// bfloat16); `weight` itself where that is the same. With `keep` the result stays in a cache bounded in bytes.
Tensor prepare_weight(const Tensor& weight, const Tensor& scale, DType dtype, bool keep);

/// `shift` in `dtype`; kept likewise.
Tensor prepare_shift(const Tensor& shift, DType dtype, bool keep);

/// True where the channels-last layout of [out,in,kh,kw] is the contiguous one.
bool layouts_coincide(const Tensor& weight);

/// The way back: `prepared` (channels-last, float32 or bfloat16) into `weight` [out,in,kh,kw], contiguous float32.
void restore_weight(const Tensor& weight, const Tensor& prepared);

/// Bytes that the cache may hold, and holds.
inline constexpr size_t kMaxKeptWeights = size_t{1} << 30;
size_t kept_weight_bytes();

}  // namespace bevgrad::cuda
