// Autocast: inside its scope convolutions and linear layers compute in bfloat16. Parameters stay float32 and get
// float32 gradients; activations between such layers are bfloat16; normalisation takes bfloat16 activations and keeps
// its statistics in float64. Everything else computes in the dtype that it is given.
#pragma once
#include "tensor/tensor.h"

namespace bevgrad {

/// The dtype in which convolutions and linear layers compute on this thread: Float32 means "as given".
DType autocast_dtype();

/// Switches autocast for a scope: Float32 (off) or BFloat16.
class AutocastGuard {
 public:
  explicit AutocastGuard(DType dtype);
  ~AutocastGuard();
  AutocastGuard(const AutocastGuard&) = delete;
  AutocastGuard& operator=(const AutocastGuard&) = delete;

 private:
  DType previous_;
};

/// The dtype in which an operation on `x` (an activation) with a float32 parameter computes: bfloat16 under autocast
/// where x is float32 or bfloat16, x's own otherwise.
DType compute_dtype(const Tensor& x);

}  // namespace bevgrad
