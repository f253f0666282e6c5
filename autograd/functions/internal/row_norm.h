// Normalisation of rows on the processor, each in one pass for its statistics and one for its values.
#pragma once
#include "tensor/tensor.h"

namespace bevgrad::row_norm {

/// Rows of `pieces` x `span` neighbouring values. A weight and a bias either belong to a place in the row (`by_piece`
/// false: layer_norm), or to a piece, the same of every `period` rows (group_norm: a piece is a channel).
struct Rows {
  int64_t count, pieces, span;
  bool by_piece = false;
  int64_t period = 1;
  bool centred = true;  ///< false: the mean counts as 0 (rms_norm)

  int64_t length() const { return pieces * span; }
};

/// y = (x - mean) inv_std weight + bias; mean and inv_std, float64 [count], are written. y, x: dense; weight and bias
/// undefined, or dense and float32 (float64 where x is).
void forward(const Tensor& y, const Tensor& mean, const Tensor& inv_std, const Tensor& x, const Tensor& weight,
             const Tensor& bias, const Rows& rows, double eps);

/// The gradients that are defined among dx, dweight and dbias.
void backward(const Tensor& dx, const Tensor& dweight, const Tensor& dbias, const Tensor& dy, const Tensor& x,
              const Tensor& weight, const Tensor& mean, const Tensor& inv_std, const Rows& rows);

}  // namespace bevgrad::row_norm
