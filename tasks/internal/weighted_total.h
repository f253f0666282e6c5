// The sum of many scalars, each with its weight.
#pragma once
#include <span>

#include "autograd/autograd.h"

namespace bevgrad {

/// sum of weights[i] * terms[i], differentiable, where the terms are float32 scalars on one GPU: one launch each way.
/// Undefined where they are not.
Tensor weighted_total_on_device(std::span<const Tensor> terms, std::span<const double> weights);

}  // namespace bevgrad
