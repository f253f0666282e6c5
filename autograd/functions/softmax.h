// Softmax over a dimension, with entries that do not take part, and the weighted sum that goes with it.
#pragma once
#include <vector>

#include "autograd/autograd.h"

namespace bevgrad {

/// exp(x) / sum of exp(x) along `dim`. `mask` (bool, of x's sizes, optional): entries where it is false get 0 and take
/// no part; where none takes part all are 0.
Tensor softmax(const Tensor& x, int dim, const Tensor& mask = {});

/// log(softmax(x)), exact where the probability is too small for a number.
Tensor log_softmax(const Tensor& x, int dim);

/// sum_k weights[:, k] * frames[k]: frames K x [N,C,H,W], weights [N,K,H,W] -> [N,C,H,W], channels-last.
Tensor weighted_sum(const std::vector<Tensor>& frames, const Tensor& weights);

}  // namespace bevgrad
