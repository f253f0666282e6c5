// Weights in the layout and precision that a primitive wants.
#pragma once
#include "cpu/onednn.h"

namespace bevgrad::cpu {

/// `weight` [out,in/groups,kh,kw] float32, times scale[out] where that is defined, converted to `wanted`. With `keep`
/// the result stays in a cache bounded in bytes, found again by the storages of weight and scale and their versions; a
/// written or freed storage never matches.
Tensor prepare_weight(const Tensor& weight, const Tensor& scale, const dnnl::memory::desc& wanted, bool keep);

/// What `make` computes from weight and scale in the layout `wanted`, with `keep` through the same cache. Two results
/// of the same weight and scale must differ in `wanted`.
Tensor prepare_weight(const Tensor& weight, const Tensor& scale, const dnnl::memory::desc& wanted, bool keep,
                      const std::function<Tensor()>& make);

/// Converts between two layouts of the same sizes.
void reorder(const dnnl::memory& from, const dnnl::memory& to);

/// Bytes that the cache may hold, and holds.
inline constexpr size_t kMaxKeptWeights = size_t{2} << 30;
size_t kept_weight_bytes();

}  // namespace bevgrad::cpu
