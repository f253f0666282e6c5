// What Adam and AdamW share: one step of one parameter.
#pragma once
#include <cstdint>

#include "tensor/tensor.h"

namespace bevgrad {

struct AdamStep {
  double lr = 0, beta1 = 0, beta2 = 0, eps = 0;
  double coupled_decay = 0;    ///< times the value, added to the gradient
  double decoupled_decay = 0;  ///< times lr and the value, taken from the value
  int64_t step = 1;            ///< from 1
};

/// Moves `value` by `gradient`; undefined averages begin as zeros. All float32 and alike in memory.
void adam_step(const AdamStep& options, const Tensor& value, const Tensor& gradient, Tensor& exp_avg,
               Tensor& exp_avg_sq);

}  // namespace bevgrad
