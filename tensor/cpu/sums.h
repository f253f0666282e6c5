// Sums on the processor: in float64, over chunks whose bounds depend on the shape alone, so that the number of threads
// changes no bit.
#pragma once
#include "tensor/tensor.h"

namespace bevgrad::cpu {

/// What is added up of every element.
enum class SumOf {
  Value,
  Square,
  ZeroTimes,  ///< 0 for what is finite, NaN for the rest
};

/// Of all elements of `x`, which is dense.
double sum_all(const Tensor& x, SumOf what);

/// out[o, i] = sum over k of in[o, k, i], for `n` values of k. Both are dense and of one dtype; n may be 0. `root`: the
/// square root of the sum, which is rounded to the type that is computed in first.
void sum_middle(const Tensor& out, const Tensor& in, int64_t outer, int64_t n, int64_t inner, SumOf what, bool root);

}  // namespace bevgrad::cpu
